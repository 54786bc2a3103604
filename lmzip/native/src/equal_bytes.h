/* equal_bytes.h - how far two runs of bytes agree. */
#ifndef LMZ_EQUAL_BYTES_H
#define LMZ_EQUAL_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of the next bytes are equal, at most `most`. */
static inline size_t n_equal(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t n = 0;
    uint64_t x, y;
    for (; most - n >= sizeof x; n += sizeof x) {
        memcpy(&x, a + n, sizeof x);
        memcpy(&y, b + n, sizeof y);
        if (x != y)
            break;
    }
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

#endif
