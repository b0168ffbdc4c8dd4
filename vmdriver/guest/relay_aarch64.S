// relay.S, which says what it does and why, for arm64: the same calls under its own numbers
// (Linux include/uapi/asm-generic/unistd.h), and ppoll(2), since there is no poll(2).
//
// Assemble: aarch64-linux-gnu-as -o relay.o relay_aarch64.S
//           && aarch64-linux-gnu-objcopy -O binary -j .text relay.o relay.bin
        .set    PPOLL, 73
        .set    SPLICE, 76
        .set    EXIT, 93
        .text
wait:
        mov     x0, #0x100000000        // struct pollfd: descriptor 0, POLLIN
        str     x0, [sp, #-16]!
        mov     x0, sp
        mov     x1, #1
        mov     x2, #0                  // without a limit
        mov     x3, #0                  // and with the signals as they are
        mov     x8, #PPOLL
        svc     #0
        add     sp, sp, #16
        cmp     w0, #0
        b.le    wait                    // a signal
        mov     x0, #0                  // from descriptor 0
        mov     x1, #0
        mov     x2, #1                  // to descriptor 1
        mov     x3, #0
        mov     x4, #0x10000            // as much as a pipe holds
        mov     x5, #1                  // SPLICE_F_MOVE
        mov     x8, #SPLICE
        svc     #0
        cmp     x0, #0
        b.gt    wait
        mov     x0, #1
        mov     x8, #EXIT
        svc     #0
