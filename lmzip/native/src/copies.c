/* copies.c - the body of a block: what is left of it where long repeats are taken out, with a list of them before it
   (FORMAT 4.6). */
#include <string.h>

#include "lmz.h"
#include "repeats.h"

/* --- taking out --------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    int is_full;
} writer;

static void put(writer *w, const uint8_t *bytes, size_t size)
{
    w->is_full |= size > w->capacity - w->size;
    if (w->is_full)
        return;
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_number(writer *w, uint32_t number)
{
    uint8_t packed[5];
    size_t n = 0;
    for (; number > 127; number >>= 7)
        packed[n++] = (uint8_t)(number & 127) | 128;
    packed[n++] = (uint8_t)number;
    put(w, packed, n);
}

int lmz_copies_take(lmz_finder *finder, const uint8_t *bytes, size_t size, size_t raw_size, size_t window, size_t least,
                    uint8_t *body, size_t capacity, size_t *body_size, size_t *reach)
{
    const size_t start = size - raw_size;
    repeats found;
    writer w = {body, 0, capacity, 0};
    if (size > LMZ_MAX_SHOWN || raw_size > size || raw_size > LMZ_MAX_RAW_SIZE || capacity > raw_size || window > start)
        return LMZ_E_ARGUMENT;
    if (!repeats_find(finder, bytes, start - window, start, size, least, &found)) {
        repeats_free(&found);
        return LMZ_E_MEMORY;
    }
    uint32_t at = (uint32_t)start, distance = 0;
    *reach = 0;
    put_number(&w, (uint32_t)found.n);
    for (size_t i = 0; i < found.n; i++) {
        const repeat *r = &found.list[i];
        put_number(&w, r->start - at);
        put_number(&w, r->size);
        put_number(&w, r->distance == distance ? 0 : r->distance);
        at = r->start + r->size;
        distance = r->distance;
        if (r->start - distance < start && *reach < start - (r->start - distance))
            *reach = start - (r->start - distance);
    }
    at = (uint32_t)start;
    for (size_t i = 0; i < found.n; i++) {
        put(&w, bytes + at, found.list[i].start - at);
        at = found.list[i].start + found.list[i].size;
    }
    put(&w, bytes + at, size - at);
    const int has_copies = found.n > 0;
    repeats_free(&found);
    *body_size = w.size;
    return has_copies && !w.is_full ? LMZ_DONE : LMZ_E_FULL;
}

/* --- putting back ------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *at, *end;
    int is_damaged;
} reader;

static uint32_t take_number(reader *r)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 35 && r->at < r->end; shift += 7) {
        const uint8_t byte = *r->at++;
        number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128 && number <= LMZ_MAX_RAW_SIZE)
            return (uint32_t)number;
        if (byte < 128)
            break;
    }
    r->is_damaged = 1;
    return 0;
}

/* Write the bytes that stood a distance before; pieces double where they overlap. */
static void copy(uint8_t *to, size_t size, size_t distance)
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
static int copy_rest(reader *rest, uint8_t *raw, size_t raw_size, size_t size, size_t *made)
{
    const size_t left = (size_t)(rest->end - rest->at), n = size < left ? size : left, room = raw_size - *made;
    if (n > room)
        return 0;
    memcpy(raw + *made, rest->at, n);
    rest->at += n;
    *made += n;
    return n == size;
}

int lmz_copies_put_back(const uint8_t *body, size_t body_size, uint8_t *raw, size_t raw_size, size_t reach,
                        size_t *made)
{
    reader list = {body, body + body_size, 0}, rest = list;
    const uint32_t n_copies = take_number(&list);
    reader behind = list;
    *made = 0;
    for (uint32_t i = 0; i < n_copies && !behind.is_damaged; i++)
        for (int k = 0; k < 3; k++)
            take_number(&behind);
    if (behind.is_damaged)
        return LMZ_E_DAMAGED;
    rest.at = behind.at;
    size_t distance = 0;
    for (uint32_t i = 0; i < n_copies; i++) {
        const size_t gap = take_number(&list), size = take_number(&list), other = take_number(&list);
        if (other)
            distance = other;
        if (!copy_rest(&rest, raw, raw_size, gap, made))
            return LMZ_E_DAMAGED;
        if (!size || size > raw_size - *made || !distance || distance > *made + reach)
            return LMZ_E_DAMAGED;
        copy(raw + *made, size, distance);
        *made += size;
    }
    const int is_whole = copy_rest(&rest, raw, raw_size, raw_size - *made, made);
    return is_whole && rest.at == rest.end ? LMZ_DONE : LMZ_E_DAMAGED;
}
