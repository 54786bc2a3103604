/* hashing.h - the hashes of contexts (ARITHMETIC 1.2). */
#ifndef LMZ_HASHING_H
#define LMZ_HASHING_H

#include <stdint.h>

static inline uint32_t hash2(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9E3779B1u + b * 0x85EBCA6Bu + 0x2F0B4C47u;
    return h ^ h >> 15;
}

static inline uint32_t hash3(uint32_t a, uint32_t b, uint32_t c) { return hash2(hash2(a, b), c); }

#endif
