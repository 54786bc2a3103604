/* copies.c - the body of a block: what is left of it where long repeats are taken out, with a list of them before it
   (FORMAT 4.6); what is left may be converted (FORMAT 4.9). */
#include <string.h>

#include "addresses.h"
#include "copy_list.h"
#include "lmz.h"
#include "repeats.h"

/* --- taking out --------------------------------------------------------------------------------------------------- */

/* Put bytes that are in no copy, which stand at a place of the raw bytes. */
static void put_gap(writer *w, const uint8_t *bytes, size_t size, size_t place, int machine)
{
    put(w, bytes, size);
    if (!w->is_full)
        addresses_convert(w->bytes + w->size - size, size, place, machine, ADDRESSES_WRITE);
}

int lmz_copies_take(lmz_finder *finder, const uint8_t *bytes, size_t size, size_t raw_size, size_t window, size_t least,
                    int machine, uint8_t *body, size_t capacity, size_t *body_size, size_t *reach)
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
        put_gap(&w, bytes + at, found.list[i].start - at, at - start, machine);
        at = found.list[i].start + found.list[i].size;
    }
    put_gap(&w, bytes + at, size - at, at - start, machine);
    const int has_copies = found.n > 0;
    repeats_free(&found);
    *body_size = w.size;
    return has_copies && !w.is_full ? LMZ_DONE : LMZ_E_FULL;
}

/* --- putting back ------------------------------------------------------------------------------------------------- */

/* Copy the next `gap` bytes of the rest, as copy_rest() does, and convert them back. */
static int copy_gap(reader *rest, int machine, uint8_t *raw, size_t raw_size, size_t gap, size_t *made)
{
    const size_t start = *made;
    const int is_whole = copy_rest(rest, raw, raw_size, gap, made);
    const size_t n = *made - start;
    addresses_convert(raw + start, n, start, machine, ADDRESSES_UNDO);
    if (!is_whole && machine)
        *made -= n < ADDRESSES_OPEN_END ? n : ADDRESSES_OPEN_END;
    return is_whole;
}

int lmz_copies_put_back(const uint8_t *body, size_t body_size, int machine, uint8_t *raw, size_t raw_size, size_t reach,
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
        if (!copy_gap(&rest, machine, raw, raw_size, gap, made))
            return LMZ_E_DAMAGED;
        if (!size || size > raw_size - *made || !distance || distance > *made + reach)
            return LMZ_E_DAMAGED;
        copy_before(raw + *made, size, distance);
        *made += size;
    }
    const int is_whole = copy_gap(&rest, machine, raw, raw_size, raw_size - *made, made);
    return is_whole && rest.at == rest.end ? LMZ_DONE : LMZ_E_DAMAGED;
}
