/* copy_list.h - the numbers of a list of copies (FORMAT 4.6), written and read, and the bytes that they stand for. */
#ifndef LMZ_COPY_LIST_H
#define LMZ_COPY_LIST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lmz.h"

/* --- writing ------------------------------------------------------------------------------------------------------ */

typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    int is_full;
} writer;

static inline void put(writer *w, const uint8_t *bytes, size_t size)
{
    w->is_full |= size > w->capacity - w->size;
    if (w->is_full)
        return;
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static inline void put_number(writer *w, uint32_t number)
{
    uint8_t packed[5];
    size_t n = 0;
    for (; number > 127; number >>= 7)
        packed[n++] = (uint8_t)(number & 127) | 128;
    packed[n++] = (uint8_t)number;
    put(w, packed, n);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const uint8_t *at, *end;
    int is_damaged;
} reader;

static inline uint32_t take_number_to(reader *r, uint32_t most)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 35 && r->at < r->end; shift += 7) {
        const uint8_t byte = *r->at++;
        number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128 && number <= most)
            return (uint32_t)number;
        if (byte < 128)
            break;
    }
    r->is_damaged = 1;
    return 0;
}

static inline uint32_t take_number(reader *r) { return take_number_to(r, LMZ_MAX_RAW_SIZE); }

/* Write the bytes that stood a distance before; pieces double where they overlap. */
static inline void copy_before(uint8_t *to, size_t size, size_t distance)
{
    const uint8_t *from = to - distance;
    while (size > distance) {
        memcpy(to, from, distance);
        to += distance;
        size -= distance;
        distance *= 2;
    }
    memcpy(to, from, size);
}

/* Copy what is there of the next `size` bytes of the rest; returns whether that is all of them, and they have room. */
static inline int copy_rest(reader *rest, uint8_t *raw, size_t raw_size, size_t size, size_t *made)
{
    const size_t left = (size_t)(rest->end - rest->at), n = size < left ? size : left, room = raw_size - *made;
    if (n > room)
        return 0;
    memcpy(raw + *made, rest->at, n);
    rest->at += n;
    *made += n;
    return n == size;
}

#endif
