/* memory.h - large allocations, and arrays carved out of them.  Sizes are counted in 64 bits: what lanes would take may
   be more than a machine can address, and is then no memory rather than a small number. */
#ifndef LMZ_MEMORY_H
#define LMZ_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(LMZ_CHECKED) /* sanitizers see the bounds of what malloc gives, not of what mmap gives */
#include <sanitizer/asan_interface.h>
#define GUARD_SIZE 64
#define GUARD(start, size) ASAN_POISON_MEMORY_REGION(start, size)
#else
#define GUARD_SIZE 0
#define GUARD(start, size) ((void)0)
#endif

typedef struct
{ /* memory that is taken twice in the same order: counted at first, when there is no base, and then carved */
    uint8_t *base;
    uint64_t size; /* of what has been taken */
} arena;

/* Get zeroed memory for all that has been counted, to be taken anew.  Return 0 without memory, and errno says so. */
int arena_allocate(arena *a);
void arena_free(arena *a);


/* Copy a part, a multiple of 64 bytes at such a place, of one to another that was taken in the same order. */
#if defined(LMZ_CHECKED) /* guards are not to be read, but here they are copied too */
void arena_copy(arena *to, const arena *from, size_t at, size_t size);
#else
static inline void arena_copy(arena *to, const arena *from, size_t at, size_t size)
{
    memcpy(to->base + at, from->base + at, size);
}
#endif

/* The next `size` bytes, 64-aligned; NULL while it counts.  Checked builds guard every array. */
static inline void *arena_take(arena *a, uint64_t size)
{
    const uint64_t at = a->size;
    a->size += (size + GUARD_SIZE + 63) & ~(uint64_t)63;
    if (!a->base)
        return NULL;
    GUARD(a->base + at + size, a->size - at - size);
    return a->base + (size_t)at;
}

#endif
