# The micro-guest of the accelerator audit: 256 bytes that end at the reset vector.
#
# It enters 32-bit protected mode (real mode may be emulated on CPUs that accelerate everything
# else), then counts down from 2^12, 2^13, … 2^31 in ring 0, where a kernel lives, and writes one
# byte to the debug port 0xe9 before each countdown and after the last. The host's clock does the
# rest: loops per second = the last countdown that ended, over the time between its two bytes.
#
# Assemble: as --32 -o loop.o loop.S && objcopy -O binary -j .text loop.o loop.bin
# A PC begins at 0xfffffff0 with CS based at 0xffff0000 (Intel SDM volume 3, 10.1.4).
        .set    base, 0xffffff00
        .text
        .code16
start:
        cli
        lgdtl   %cs:(descriptor - start + 0xff00)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $(protected - start + base)
        .code32
protected:
        movl    $0x1000, %ebx
round:
        movb    $'.', %al
        outb    %al, $0xe9
        movl    %ebx, %ecx
count:
        decl    %ecx
        jnz     count
        addl    %ebx, %ebx
        jnz     round
        outb    %al, $0xe9
rest:
        hlt
        jmp     rest
        .balign 8
table:                                  # null, then flat 32-bit code in ring 0
        .quad   0
        .quad   0x00cf9b000000ffff
descriptor:
        .word   15
        .long   table - start + base
        .org    0xf0
        .code16
        jmp     start
        .org    0x100
