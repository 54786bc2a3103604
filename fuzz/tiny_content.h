/* tiny_content.h - the content that a byte of the fuzzer's input stands for, for the fuzzer and its seeds. */
#ifndef TINY_CONTENT_H
#define TINY_CONTENT_H

#include "lmz.h"

enum { TINY_PIXELS = 1, TINY_SOUND = 2 }; /* kinds of content */

/* Bits 0-2 are channels - 1, bits 3-4 bytes a sample - 1, bits 5-7 choose flags, width and offset, among the latter for
   sound that of a WAV file's samples.  Not all of them are contents that a base takes. */
static inline lmz_content tiny_content(int kind, unsigned bits)
{
    const int more = (int)(bits >> 5 & 7), channels = 1 + (int)(bits & 7), depth = 8 * (1 + (int)(bits >> 3 & 3));
    if (kind == TINY_PIXELS)
        return (lmz_content){kind, channels, depth, more * 5 & ~LMZ_FLOAT, more * 3, 1 + (uint32_t)more * 7};
    return (lmz_content){kind, channels, depth, more % 6, more < 6 ? more * 3 : 44, 0};
}

#endif
