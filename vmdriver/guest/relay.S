# Relays what commands write into a pipe to a virtio port: standard input to standard output.
#
# splice(2) hands the pipe's pages to the port, which the host reads them from: nothing is copied
# (Linux drivers/char/virtio_console.c, port_fops_splice_write). On an empty pipe that does not wait
# and returns 0, so poll(2) waits before it. The pipe always has a writer, the agent itself; without
# one both say so at once, and this ends.
#
# Assemble: as --64 -o relay.o relay.S && objcopy -O binary -j .text relay.o relay.bin
        .set    POLL, 7
        .set    SPLICE, 275
        .set    EXIT, 60
        .text
wait:
        movabs  $0x100000000, %rax      # struct pollfd: descriptor 0, POLLIN
        push    %rax
        mov     %rsp, %rdi
        mov     $1, %esi
        mov     $-1, %edx               # without a limit
        mov     $POLL, %eax
        syscall
        pop     %rcx
        test    %eax, %eax
        jle     wait                    # a signal
        xor     %edi, %edi              # from descriptor 0
        xor     %esi, %esi
        mov     $1, %edx                # to descriptor 1
        xor     %r10d, %r10d
        mov     $0x10000, %r8d          # as much as a pipe holds
        mov     $1, %r9d                # SPLICE_F_MOVE
        mov     $SPLICE, %eax
        syscall
        test    %rax, %rax
        jg      wait
        mov     $1, %edi
        mov     $EXIT, %eax
        syscall
