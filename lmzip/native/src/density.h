/* density.h - what logistic densities say of a sample's bits (SAMPLES 6).

   A density has a mean and a scale.  Of a sample within [low, high) the next bit tells whether it is in the upper half.
   With x = (middle - mean) / scale and s(x) = ln(1 + e^x), the log-odds that it is are s(low) - x - s(-high). */
#ifndef LMZ_DENSITY_H
#define LMZ_DENSITY_H

#include "mixer.h"
#include "probability.h"
#include "samples_base.h"

#define DENSITY_BITS 10    /* of a scale that is divided by */
#define DISTANCE_LIMIT 24575 /* of x, 1.0 = 1024 */
#define SURE 10240         /* a stretch: where all are beyond it, nothing is mixed */
#define LEAST_SCALE (1 << (DENSITY_BITS - 1))

typedef struct { /* of a sample, as far as it is known */
    int32_t shift[N_LANES_OF_DENSITIES] ALIGNED;
    int32_t inverse[N_LANES_OF_DENSITIES] ALIGNED;
    int32_t low[N_LANES_OF_DENSITIES] ALIGNED;      /* s(low), s(-high) */
    int32_t high[N_LANES_OF_DENSITIES] ALIGNED;
    int32_t distance[N_LANES_OF_DENSITIES] ALIGNED; /* x of the middle */
} densities;

/* Get ready for a sample, of which nothing is known. */
static inline void start_densities(densities *d, const int32_t *scale)
{
    for (int i = 0; i < N_LANES_OF_DENSITIES; i++) {
        d->shift[i] = 32 - __builtin_clz((uint32_t)scale[i]) - DENSITY_BITS;
        d->inverse[i] = lmz_scale_table[(scale[i] >> d->shift[i]) - LEAST_SCALE];
        d->low[i] = d->high[i] = 0;
    }
}

/* Set the inputs of n densities, stretches that the sample is not below `middle`, and the others of their lanes to 0.
   Returns 1 or -1 where all are sure that it is or is not, else 0. */
static inline int ask_densities(densities *d, const int32_t *mean, int32_t middle, int32_t *inputs, int n)
{
    int32_t least = INT32_MAX, most = INT32_MIN;
    for (int i = 0; i < N_LANES_OF_DENSITIES; i++) {
        const int32_t t = clamp((middle - mean[i]) >> d->shift[i], 32767);
        d->distance[i] = clamp((t * d->inverse[i]) >> 14, DISTANCE_LIMIT);
        inputs[i] = MIX_INPUT(clamp(d->low[i] - d->distance[i] - d->high[i], STRETCH_LIMIT));
    }
    for (int i = n; i < N_LANES_OF_DENSITIES; i++)
        inputs[i] = inputs[0];
    for (int i = 0; i < N_LANES_OF_DENSITIES; i++) {
        least = inputs[i] < least ? inputs[i] : least;
        most = inputs[i] > most ? inputs[i] : most;
    }
    for (int i = n; i < N_LANES_OF_DENSITIES; i++)
        inputs[i] = 0;
    return least >= MIX_INPUT(SURE) ? 1 : most <= MIX_INPUT(-SURE) ? -1 : 0;
}

/* Take in the bit. */
static inline void tell_densities(densities *d, int bit)
{
    for (int i = 0; i < N_LANES_OF_DENSITIES; i++) {
        const int32_t x = bit ? d->distance[i] : -d->distance[i];
        const int32_t s = (x > 0 ? x : 0) + lmz_softplus_table[(x < 0 ? -x : x) >> 4];
        d->low[i] = bit ? s : d->low[i];
        d->high[i] = bit ? d->high[i] : s;
    }
}

#endif
