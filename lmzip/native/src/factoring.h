/* factoring.h - the space that a solution by least squares takes (SAMPLES 4.3). */
#ifndef LMZ_FACTORING_H
#define LMZ_FACTORING_H

#include <stdint.h>

#define MAX_ROWS 48 /* of a Gram matrix: the taps of a prediction and, in the last row, what they predict */
#define ALIGNED __attribute__((aligned(64))) /* whole vectors of any variant */

typedef struct { /* a Gram matrix on its way to its factor */
    int64_t factor[MAX_ROWS][MAX_ROWS] ALIGNED; /* columns of Cholesky's factor, (n, n + 1) */
    int64_t inverse[MAX_ROWS];                  /* of the factor's diagonal, 1.0 = 2^(30 + half) */
    int half[MAX_ROWS];
    int64_t largest, ridge;
    int left, right; /* shifts that give the largest number GRAM_BITS */
} factoring;

#endif
