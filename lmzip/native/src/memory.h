/* memory.h - large allocations, and arrays carved out of them.  Sizes are counted in 64 bits: what lanes would take may
   be more than a machine can address, and is then no memory rather than a small number. */
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

/* Zeroed memory, 64-aligned; without it NULL, and errno says so.  free_zeroed takes NULL too. */
void *allocate_zeroed(uint64_t size);
void free_zeroed(void *memory, uint64_t size);

/* Carve `size` bytes, 64-aligned, out of memory; with base NULL only count.  Checked builds guard every array. */
static inline void *arena_take(uint8_t *base, uint64_t *offset, uint64_t size)
{
    const uint64_t at = *offset;
    *offset += (size + GUARD_SIZE + 63) & ~(uint64_t)63;
    if (!base)
        return NULL;
    GUARD(base + at + size, *offset - at - size);
    return base + (size_t)at;
}

#endif
