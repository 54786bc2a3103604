/* plain_byte.c - the headers that bytes before samples are predicted from. */
#include "plain_byte.h"

/* Without what differs from file to file, but for a plausible one. */
#define HEADER(text) {(const uint8_t *)(text), sizeof(text) - 1}
static const struct {
    const uint8_t *bytes;
    size_t size;
} headers[] = {
    HEADER("P5\n64 32\n255\n"),
    HEADER("P5\n512 768\n255\n"),
    HEADER("P6\n512 512\n255\n"),
    HEADER("P6\n1920 1080\n255\n"),
    HEADER("RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\x80\x3e\0\0\1\0\x08\0data\0\x08\0\0"),
    HEADER("RIFF\x24\xe8\x03\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\xe8\x03\0"),
    HEADER("RIFF\x24\x10\x27\0WAVEfmt \x10\0\0\0\1\0\2\0\x44\xac\0\0\x10\xb1\2\0\4\0\x10\0data\0\x10\x27\0"),
    HEADER("RIFF\x24\x10\x27\0WAVEfmt \x10\0\0\0\1\0\2\0\x80\xbb\0\0\0\xee\2\0\4\0\x10\0data\0\x10\x27\0"),
    HEADER("BM\x36\0\x0c\0\0\0\0\0\x36\0\0\0\x28\0\0\0\0\2\0\0\0\2\0\0\1\0\x18\0\0\0\0\0\0\0\x0c\0\x13\x0b\0\0"
           "\x13\x0b\0\0\0\0\0\0\0\0\0\0"),
};

void plain_start(plain_state *s)
{
    for (int i = 0; i < PLAIN_ORDERS; i++)
        for (int k = 0; k < 1 << PLAIN_BITS; k++)
            s->cells[i][k] = 1u << 31;
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
        s->history = 0;
        for (size_t at = 0; at < headers[h].size; at++) {
            const uint32_t byte = headers[h].bytes[at];
            for (uint32_t c0 = 1; c0 < 256;) {
                const uint32_t bit = byte >> (__builtin_clz(c0) - 24) & 1;
                uint32_t *cells[PLAIN_ORDERS];
                plain_cells(s, c0, cells);
                plain_learn(cells, (int)bit);
                c0 = c0 << 1 | bit;
            }
            s->history = s->history << 8 | byte;
        }
    }
    s->history = 0;
}
