/* An independent client on libmodbus: reads four floats in four orders and an int, writes a coil and two registers,
   and prints what it got. Arguments: tcp PORT | rtu PATH, then the unit. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
    printf("%s: %s\n", what, modbus_strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    modbus_t *ctx = strcmp(argv[1], "tcp") == 0 ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                                                : modbus_new_rtu(argv[2], 19200, 'N', 8, 1);
    uint16_t r[10], w[2] = {0x3fc0, 0x0000};
    uint8_t bits[10];
    modbus_set_slave(ctx, atoi(argv[3]));
    modbus_set_response_timeout(ctx, 2, 0);
    if (modbus_connect(ctx) < 0)
        return fail("connect");
    if (modbus_read_input_registers(ctx, 100, 10, r) != 10)
        return fail("input registers");
    printf("%.3f %.3f %.3f %.3f %d\n", modbus_get_float_abcd(r), modbus_get_float_cdab(r + 2), modbus_get_float_badc(r + 4),
           modbus_get_float_dcba(r + 6), MODBUS_GET_INT32_FROM_INT16(r, 8));
    if (modbus_write_bit(ctx, 3, 1) != 1 || modbus_read_bits(ctx, 0, 5, bits) != 5)
        return fail("coils");
    printf("%d%d%d%d%d\n", bits[0], bits[1], bits[2], bits[3], bits[4]);
    if (modbus_write_registers(ctx, 200, 2, w) != 2 || modbus_mask_write_register(ctx, 202, 0x00ff, 0x1200) != 1)
        return fail("write");
    if (modbus_read_registers(ctx, 200, 3, r) != 3)
        return fail("holding registers");
    printf("%.3f %04x\n", modbus_get_float_abcd(r), r[2]);
    if (modbus_read_registers(ctx, 900, 1, r) != -1)
        return 3;
    printf("%s\n", modbus_strerror(errno));
    modbus_close(ctx);
    modbus_free(ctx);
    return 0;
}
