/* samples_base.h - the state of the samples base, and the numbers that shape it (SAMPLES). */
#ifndef LMZ_SAMPLES_BASE_H
#define LMZ_SAMPLES_BASE_H

#include <stdint.h>

#include "factoring.h"
#include "plain_byte.h"

#define MAX_CHANNELS 8
#define MAX_DEPTH 32
#define WAV_HEADER 44 /* bytes of the header that is expected where so many stand before the first sample */

#define N_BLEND_ROWS 8   /* of the one that blends predictions */
#define BATCH 8          /* moments from one solution to the next */
#define MAX_LINEAR 3     /* linear predictions */
#define MAX_STAGES 3     /* of the cascade */
#define MAX_TAPS 1024    /* of a stage */
#define LMS_SPACE (2 * MAX_TAPS)

/* Predictions by number; those of further linear predictions come last. */
enum { OF_LINEAR, OF_STAGE, OF_BLEND, OF_OTHERS, MAX_PREDICTIONS = OF_OTHERS + MAX_LINEAR - 1 };
#define N_SCALES 3
#define N_LANES_OF_DENSITIES 16 /* MAX_PREDICTIONS * N_SCALES, and the hold cell's input in the last */
#define HOLD_INPUT 15
#define N_BYTE_CELLS 4          /* adaptive cells that samples of 8 bits have besides */
#define MAX_SAMPLE_INPUTS 32
#define WEIGHT_UNIT 1000000 /* of weights of the mixer that samples start from, 1.0 = 2^28 */
#define N_LEVELS 64
#define N_RATIOS 16
#define N_PLACES 16
#define N_RUNS 16

typedef struct {
    int n_taps;  /* n_taps + 1 is a multiple of N_WIDE in all variants */
    int fade[2]; /* a batch takes 2^-fade of each off the matrix */
    int every;   /* batches from one solution to the next; those of long memory change little */
} linear_shape;

typedef struct { /* what a profile's samples are predicted by */
    int n_rows, n_linear;
    linear_shape linear[MAX_LINEAR]; /* the cascade adds to the first */
    int n_stages, n_taps[MAX_STAGES];
} sound_shape;

typedef struct { /* what depends on the bits of a sample */
    int depth;
    int drop;          /* lowest bits that predictions leave out */
    int fraction;      /* bits of predictions behind the point */
    int input_bits;    /* the same of the cascade's inputs */
    int blend_drop;    /* bits of predictions that blending leaves out */
    int root_shift;    /* by which the weights of moments are less than with 16 bits */
    int32_t quiet;     /* what is added to a moment's scale before it weighs */
    int64_t ridge;     /* in squares of samples */
    int gram_shift;    /* of the typical Gram matrix */
} depth_shape;

typedef struct { /* initial values and rates, made by scripts/train_media.py (SAMPLES 2.4) */
    int32_t products[MAX_ROWS];             /* of samples so many moments apart, 1.0 = 2^20 */
    int32_t weights[N_LANES_OF_DENSITIES];  /* of the mixer, in millions of 2^-28: three scales of each prediction, */
    int32_t byte_weights[MAX_SAMPLE_INPUTS]; /* the hold cell; of 8 bits, byte cells too */
    int32_t scale, byte_scale;              /* of densities, in samples of 16 bits, of 8 */
    int32_t rate, rate_extra, rate_delay;
} samples_prior;

typedef struct { /* a prediction by least squares */
    int64_t gram[MAX_ROWS * MAX_ROWS] ALIGNED; /* (n_rows, n_rows) on and above the diagonal */
    int64_t weights[MAX_ROWS] ALIGNED;      /* 1.0 = 2^WEIGHT_BITS */
} linear_prediction;

typedef struct { /* the same of predictions' differences */
    int64_t gram[N_BLEND_ROWS * N_BLEND_ROWS] ALIGNED;
    int64_t weights[N_BLEND_ROWS] ALIGNED;
} blending;

typedef struct { /* a stage of the cascade */
    int32_t weights[MAX_TAPS] ALIGNED;  /* 1.0 = WEIGHT_ONE */
    int32_t history[LMS_SPACE] ALIGNED; /* its inputs from `at` on, the newest first, as those of the mixer */
    int64_t energy;                     /* sum of the squares of n_taps inputs */
    int32_t at, n_taps;
    int32_t output;
} lms_stage;

typedef struct { /* all that is a channel's own */
    int64_t row[MAX_ROWS] ALIGNED;                       /* what the present value is predicted from */
    int64_t weighted[BATCH * MAX_ROWS] ALIGNED;          /* (BATCH, n_rows) rows since the last solution, weighed */
    int64_t blend_row[N_BLEND_ROWS] ALIGNED;
    int64_t blend_weighted[BATCH * N_BLEND_ROWS] ALIGNED;
    int32_t mean[N_LANES_OF_DENSITIES] ALIGNED;        /* of each density */
    int32_t scale[N_LANES_OF_DENSITIES] ALIGNED;       /* mean distance of samples from it */
    int32_t level_weights[N_LEVELS * N_RATIOS * MAX_SAMPLE_INPUTS] ALIGNED;
    int32_t place_weights[MAX_DEPTH * N_PLACES * MAX_SAMPLE_INPUTS] ALIGNED;
    linear_prediction linear[MAX_LINEAR];
    blending blend;
    lms_stage stage[MAX_STAGES];
    int64_t past[MAX_ROWS];              /* the last values, the newest first */
    int32_t linear_mean, base;         /* what the cascade and what blending add to */
    int32_t last_errors[2];            /* of base */
    uint32_t last_sample, last_bytes;  /* the last sample, the last four of 8 bits, the newest lowest */
    int32_t grid;                      /* that samples of floating point are multiples of, as a prediction */
    uint32_t run;                      /* samples before that were as expected, at most N_RUNS - 1 */
    uint32_t bit_cells[MAX_DEPTH], hold_cells[MAX_DEPTH][N_RUNS];
    uint32_t (*byte_cells)[65536];     /* (N_BYTE_CELLS) for samples of 8 bits */
} channel_state;

typedef struct {
    const sound_shape *shape;
    const depth_shape *depth;
    plain_state *plain;   /* of bytes that are of no sample */
    uint32_t header_cell; /* of the event that such a byte is the expected one */
    int channel;          /* of the next sample */
    int is_mono, is_float;
    uint32_t n_moments, last_sample;
    int32_t rate;         /* of the mixer, in this moment */
    factoring *factoring;    /* space for one */
    channel_state *channels; /* (channels) */
} samples_state;

extern const sound_shape sound_shapes[];
extern const samples_prior sample_prior;

#endif
