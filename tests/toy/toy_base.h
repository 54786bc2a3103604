/* toy_base.h - a base for tests/native/test_seam.py: bits by how often they came at the same place of a byte, whatever
   was before. */
#ifndef LMZ_TOY_BASE_H
#define LMZ_TOY_BASE_H

#include <stdint.h>

typedef struct {
    uint16_t p[256]; /* 2^16 times the probability of a one behind the known bits of a byte */
} toy_state;

#endif
