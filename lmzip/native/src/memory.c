/* memory.c - large allocations: in huge pages where the system has them, as they are read all over or streamed through.
   */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__) && !defined(LMZ_CHECKED) /* sanitizers do not see the bounds of what mmap gives */
#include <sys/mman.h>
#define USE_MMAP 1
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define LARGE ((size_t)32 << 20)

/* Give back to the system what was freed: beside a large allocation it would stay in use, as what a tokenizer was read
   from (25 MB). */
static void trim(void)
{
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

static void *zeroed(size_t size)
{
#if defined(USE_MMAP)
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
#else
    void *memory = NULL;
    return posix_memalign(&memory, 64, size) ? NULL : memset(memory, 0, size);
#endif
}

int arena_allocate(arena *a)
{
    if (a->size >= LARGE)
        trim();
    a->base = a->size > PTRDIFF_MAX ? NULL : zeroed((size_t)a->size);
    if (!a->base)
        errno = ENOMEM;
    a->size = 0;
    return a->base != NULL;
}

#if defined(LMZ_CHECKED)
__attribute__((no_sanitize("address"))) void arena_copy(arena *to, const arena *from, size_t at, size_t size)
{
    const volatile uint64_t *source = (const uint64_t *)(from->base + at); /* volatile: not to become a memcpy */
    for (size_t i = 0; i < size / 8; i++)
        ((uint64_t *)(to->base + at))[i] = source[i];
}
#endif

void arena_free(arena *a)
{
    if (!a->base)
        return;
#if defined(USE_MMAP)
    munmap(a->base, (size_t)a->size);
#else
    free(a->base);
#endif
}
