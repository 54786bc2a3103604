/* repeats.h - where bytes stand that stood before, at length: in one block, or in those that follow each other. */
#ifndef LMZ_REPEATS_H
#define LMZ_REPEATS_H

#include <stddef.h>
#include <stdint.h>

#include "lmz.h"

typedef struct {
    uint32_t start, size; /* the bytes that stood before */
    uint32_t distance;    /* from where they stood, at most start; less than size where they overlap, as in a run */
} repeat;

typedef struct {
    repeat *list; /* rising, none overlaps the next */
    size_t n, capacity;
} repeats;

/* Find repeats in bytes [start, size), of bytes from `oldest` on; those before start the finder was shown.  Where they
   come to less than `least` bytes, only those from before start count, of which the models of a block know nothing.
   Return 0 where there is no memory; free with repeats_free() in any case. */
int repeats_find(lmz_finder *finder, const uint8_t *bytes, size_t oldest, size_t start, size_t size, size_t least,
                 repeats *found);

void repeats_free(repeats *found);

#endif
