/* A Modbus device by libmodbus, on a TCP port (of an address) or, given a path, as unit 17 of a serial line: registers hold their
 * address, inputs 1000 more, coils every third are on; a float at 500, high word first, and at 502, low word first. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int serial = argc > 1 && argv[1][0] == '/';
    modbus_t *ctx = serial ? modbus_new_rtu(argv[1], 19200, 'N', 8, 1) 
                           : modbus_new_tcp(argc > 2 ? argv[2] : "127.0.0.1", atoi(argv[1]));
    modbus_mapping_t *map = modbus_mapping_new(2000, 2000, 2000, 2000);
    float number = 123.456f;
    uint32_t bits;
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int listener = 0, length, i;
    if (argc < 2) return 1;
    if (serial ? modbus_set_slave(ctx, 17) || modbus_connect(ctx) : (listener = modbus_tcp_listen(ctx, 1)) < 0) return 1;
    for (i = 0; i < 2000; i++) {
        map->tab_registers[i] = i;
        map->tab_input_registers[i] = 1000 + i;
        map->tab_bits[i] = i % 3 == 0;
        map->tab_input_bits[i] = i % 5 == 0;
    }
    memcpy(&bits, &number, 4);
    map->tab_registers[500] = bits >> 16;
    map->tab_registers[501] = bits & 0xFFFF;
    map->tab_registers[502] = bits & 0xFFFF;
    map->tab_registers[503] = bits >> 16;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (!serial && modbus_tcp_accept(ctx, &listener) < 0) return 1;
        while ((length = modbus_receive(ctx, query)) >= 0)
            if (length > 0) modbus_reply(ctx, query, length, map);
        if (!serial) modbus_close(ctx);
    }
}
