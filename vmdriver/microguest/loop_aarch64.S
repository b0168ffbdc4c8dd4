// The micro-guest of the accelerator audit on arm64: what QEMU's machine virt executes first.
//
// It is given as the machine's firmware, so it begins at address 0 in EL1, where a kernel lives,
// with the MMU off. It counts down from 2^12, 2^13, … 2^31, writes one byte to the PL011 before each
// countdown and after the last, and powers off by PSCI. See loop.S for what the host makes of it.
//
// Assemble: aarch64-linux-gnu-as -o loop.o loop_aarch64.S
//           && aarch64-linux-gnu-objcopy -O binary -j .text loop.o loop.bin
        .set    PL011, 0x09000000       // QEMU hw/arm/virt.c, VIRT_UART0
        .set    CACHED, 1 << 12         // SCTLR_EL1.I
        .set    SYSTEM_OFF, 0x84000008  // Arm DEN0022, 5.1
        .text
start:
        mrs     x0, sctlr_el1           // with the MMU off nothing else lets instructions be cached
        orr     x0, x0, #CACHED
        msr     sctlr_el1, x0
        isb
        mov     x1, #PL011
        mov     w2, #'.'
        mov     w3, #0x1000
round:
        str     w2, [x1]                // UARTDR
        mov     w4, w3
count:
        subs    w4, w4, #1
        b.ne    count
        adds    w3, w3, w3
        b.ne    round
        str     w2, [x1]
        mov     w0, #(SYSTEM_OFF & 0xffff)
        movk    w0, #(SYSTEM_OFF >> 16), lsl #16
        hvc     #0                      // virt's conduit of PSCI where the guest has neither EL2 nor EL3
rest:
        wfi
        b       rest
