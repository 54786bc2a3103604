/* memory.h - large allocations, and arrays carved out of them. */
#ifndef LMZ_MEMORY_H
#define LMZ_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#if defined(LMZ_CHECKED) /* sanitizers see the bounds of what malloc gives, not of what mmap gives */
#include <sanitizer/asan_interface.h>
#define GUARD_SIZE 64
#define GUARD(start, size) ASAN_POISON_MEMORY_REGION(start, size)
#else
#define GUARD_SIZE 0
#define GUARD(start, size) ((void)0)
#endif

/* Zeroed memory, 64-aligned; NULL without it.  free_zeroed takes NULL too. */
void *allocate_zeroed(size_t size);
void free_zeroed(void *memory, size_t size);

/* Carve `size` bytes, 64-aligned, out of memory; with base NULL only count.  Checked builds guard every array. */
static inline void *carve(uint8_t *base, size_t *offset, size_t size)
{
    size_t at = *offset;
    *offset += (size + GUARD_SIZE + 63) & ~(size_t)63;
    if (!base)
        return NULL;
    GUARD(base + at + size, *offset - at - size);
    return base + at;
}

#endif
