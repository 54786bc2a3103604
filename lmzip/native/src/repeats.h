/* repeats.h - where the bytes of a block stand in it a second time, at length. */
#ifndef LMZ_REPEATS_H
#define LMZ_REPEATS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t start, size; /* the bytes that stood before */
    uint32_t distance;    /* from where they stood, at most start; less than size where they overlap, as in a run */
} repeat;

typedef struct {
    repeat *list; /* rising, none overlaps the next */
    size_t n, capacity;
} repeats;

/* Find repeats of raw, at least `least` bytes of it in all, or else none.  Return 0 where there is no memory; free with
   repeats_free(). */
int repeats_find(const uint8_t *raw, size_t raw_size, size_t least, repeats *found);

void repeats_free(repeats *found);

#endif
