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
    a->base = a->size > PTRDIFF_MAX ? NULL : zeroed((size_t)a->size);
    if (!a->base)
        errno = ENOMEM;
    a->size = 0;
    return a->base != NULL;
}

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
