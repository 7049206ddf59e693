# The boot sector of the test images: El Torito, no emulation, loaded by PC firmware at 0:0x7c00 (2048 bytes).
#
# It says BOOT_OK on the first serial line and on the screen, reads one sector of its own CD with the BIOS (int 13h,
# function 42h) and prints the text in it, says BOOT_DONE, and then does what its flags ask. A test so knows that the
# firmware booted it, that the CD can be read, and that screen, serial line and power button work.
#
#   as --32 -o boot.o boot.S && ld -m elf_i386 -Ttext=0x7c00 --oformat binary -e start -o boot.bin boot.o
#
# The bytes are embedded in images.py; a test assembles this file, where there is an assembler, and compares.

        .code16
        .globl  start
        .set    SERIAL, 0x3f8           # COM1: data; +5 is the line status
        .set    PM1_STATUS, 0x600       # the ACPI power management ports of QEMU's pc and q35
        .set    PM1_ENABLE, 0x602
        .set    PM1_CONTROL, 0x604
        .set    POWER_BUTTON, 0x100     # bit 8 of status and enable
        .set    SLEEP_NOW, 0x2000       # sleep type 0 (soft off), sleep enable
        .set    TEXT, 0x8000            # where the payload sector is read to

start:  jmp     begin
        .org    64                      # 8 to 63 is left to a boot information table
payload:.long   0                       # the image's writer fills in the sector to print, 0 for none,
flags:  .byte   0                       # and 1 to power off at the end, 2 to echo the serial line, 4 to obey the power button

begin:  cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        ljmp    $0, $normal             # some firmware comes in at 0x7c0:0
normal: movb    %dl, drive
        movw    $ok, %si
        call    print

        movl    payload, %eax
        testl   %eax, %eax
        jz      done
        movl    %eax, packet_sector
        movw    $packet, %si
        movb    drive, %dl
        movb    $0x42, %ah
        int     $0x13
        movw    $unreadable, %si
        jc      complain
        movw    $TEXT, %si
        call    print

done:   movw    $finished, %si
        call    print
        testb   $1, flags
        jnz     power_off
        movw    $PM1_ENABLE, %dx        # so that the button sets its status bit
        movw    $POWER_BUTTON, %ax
        outw    %ax, %dx

serve:  testb   $4, flags
        jz      echo
        movw    $PM1_STATUS, %dx
        inw     %dx, %ax
        testw   $POWER_BUTTON, %ax
        jz      echo
        movw    $pressed, %si
        call    print
        jmp     power_off
echo:   testb   $2, flags
        jz      idle
        movw    $SERIAL + 5, %dx
        inb     %dx, %al
        cmpb    $0xff, %al              # no serial port there
        je      idle
        testb   $1, %al                 # data ready
        jz      idle
        movw    $SERIAL, %dx
        inb     %dx, %al
        call    put
        jmp     serve
idle:   hlt                             # until the timer, 18 times a second
        jmp     serve

power_off:
        movw    $5, %cx                 # a quarter of a second: a console loses what is said in the last moment
1:      hlt
        loop    1b
        movw    $PM1_CONTROL, %dx
        movw    $SLEEP_NOW, %ax
        outw    %ax, %dx
stop:   hlt
        jmp     stop

complain:
        call    print
        jmp     stop

# Print the text at DS:SI up to its NUL.
print:  lodsb
        testb   %al, %al
        jz      1f
        call    put
        jmp     print
1:      ret

# Print the character in AL on the serial line, where there is one, and on the screen. Keeps SI.
put:    movb    %al, %cl
        movw    $SERIAL + 5, %dx
1:      inb     %dx, %al
        cmpb    $0xff, %al
        je      2f
        testb   $0x20, %al              # transmitter empty
        jz      1b
        movw    $SERIAL, %dx
        movb    %cl, %al
        outb    %al, %dx
2:      movb    %cl, %al
        movb    $0x0e, %ah
        xorw    %bx, %bx
        int     $0x10
        ret

drive:  .byte   0
        .balign 4
packet: .byte   16, 0                   # the packet of int 13h function 42h
        .word   1                       # sectors
        .word   TEXT, 0
packet_sector:
        .long   0, 0

ok:     .asciz  "\r\nKIMCHI-BOOT-OK "
finished:
        .asciz  "\r\nKIMCHI-BOOT-DONE\r\n"
pressed:.asciz  "KIMCHI-POWER-BUTTON\r\n"
unreadable:
        .asciz  "KIMCHI-READ-ERROR\r\n"
        .org    2048
