/* lmz.h - the interface of lmzip's native kernel: one block of bytes <-> one arithmetic-coded payload.

   Integers only (docs/ARITHMETIC.md defines every one of them), no globals: any number of coders may run in as many
   threads.  The caller owns the buffers, which must outlive the coder. */
#ifndef LMZ_H
#define LMZ_H

#include <stddef.h>
#include <stdint.h>

enum {
    LMZ_DONE = 0,       /* the block is complete */
    LMZ_MORE = 1,       /* call lmz_coder_run again */
    LMZ_E_FULL = -1,    /* encoder: the payload does not fit into its capacity */
    LMZ_E_DAMAGED = -2  /* decoder: the payload is not one that an encoder writes */
};

enum { LMZ_SIMD_PORTABLE = 0, LMZ_SIMD_AVX2 = 1, LMZ_SIMD_AVX512 = 2 };

#define LMZ_MAX_LANES 128
#define LMZ_MAX_RAW_SIZE ((size_t)1 << 30)
#define LMZ_N_METHODS 4 /* methods 1 .. LMZ_N_METHODS */

typedef struct lmz_coder lmz_coder;

/* Bytes of state that one block needs, the raw and payload buffers not counted; 0 for bad arguments. */
size_t lmz_memory_size(int method, size_t raw_size, int n_lanes);

/* Start a block.  simd: a variant of at most lmz_simd_best(); all give the same bytes.
   Return NULL for bad arguments or when there is no memory. */
lmz_coder *lmz_encoder_new(int method, int n_lanes, int simd, const uint8_t *raw, size_t raw_size,
                           uint8_t *payload, size_t capacity);
lmz_coder *lmz_decoder_new(int method, int n_lanes, int simd, const uint8_t *payload, size_t payload_size,
                           uint8_t *raw, size_t raw_size);

/* Advance by at most n_steps steps, one byte of every lane each. */
int lmz_coder_run(lmz_coder *coder, uint64_t n_steps);

/* Encoder: bytes of payload written; final once lmz_coder_run has returned LMZ_DONE. */
size_t lmz_coder_payload_size(const lmz_coder *coder);

void lmz_coder_free(lmz_coder *coder);

/* --- the range coder by itself: decisions and symbols with frequencies that the caller knows ------------------------ */

typedef struct lmz_range_coder lmz_range_coder;

/* The encoder writes at most `capacity` bytes to payload; the decoder reads payload_size bytes.  NULL: no memory. */
lmz_range_coder *lmz_range_encoder_new(uint8_t *payload, size_t capacity);
lmz_range_coder *lmz_range_decoder_new(const uint8_t *payload, size_t payload_size);

/* Code a decision whose probability of a one is p1 / 2^32, p1 > 0; a decoder ignores `bit`.  Returns the bit. */
int lmz_range_code_bit(lmz_range_coder *coder, int bit, uint32_t p1);

/* Code the symbol with cumulative frequencies [low, high) of 2^total_bits, total_bits <= 32, low < high <= 2^total_bits.
   A decoder first asks for the target, a number in [0, 2^total_bits) that lies in the symbol's interval. */
uint32_t lmz_range_target(const lmz_range_coder *coder, int total_bits);
void lmz_range_code_interval(lmz_range_coder *coder, uint64_t low, uint64_t high, int total_bits);

/* Encoder: end the payload and return its size.  Decoder: return 0 if the payload was used up and no more.
   Otherwise LMZ_E_FULL or LMZ_E_DAMAGED. */
int64_t lmz_range_finish(lmz_range_coder *coder);

void lmz_range_coder_free(lmz_range_coder *coder);

/* The best variant that this processor runs. */
int lmz_simd_best(void);

#endif
