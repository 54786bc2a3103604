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

/* Variants, the better the higher; all give the same bytes.  VNNI and AMX matter to nets only. */
enum { LMZ_SIMD_PORTABLE, LMZ_SIMD_AVX2, LMZ_SIMD_AVXVNNI, LMZ_SIMD_AVX512, LMZ_SIMD_AMX, LMZ_N_SIMD };

#define LMZ_MAX_LANES 128
#define LMZ_MAX_RAW_SIZE ((size_t)1 << 30)
#define LMZ_N_METHODS 9 /* methods 1 .. LMZ_N_METHODS */
#define LMZ_NET_METHOD 5 /* methods from here on need a net */
#define LMZ_NET_MAX_ORDERS 8

/* --- the byte-level net (ARITHMETIC 8) ------------------------------------------------------------------------------ */

typedef struct {
    int n_embd, n_layer, n_hidden, n_state; /* widths, multiples of 32 */
    int byte_dim, table_dim, table_bits, n_orders;
    int orders[LMZ_NET_MAX_ORDERS];         /* bytes of each hashed context; 0: the letters of the current word */
} lmz_net_shape;

typedef struct { /* matrices in the order of use: embed, (in, out, up, down) of each layer, head; rows end to end */
    const int8_t *byte_embedding; /* (256, byte_dim) */
    const int8_t *tables;         /* (n_orders, 2^table_bits, table_dim) */
    const int8_t *weights;        /* (n_weights) */
    const int32_t *multipliers;   /* (n_rows) 2^24 times what a row's sum of products is scaled by */
    const int32_t *forget_biases; /* (n_layer, n_state) 1.0 = 2^12 */
    size_t n_weights, n_rows;
} lmz_net_weights;

typedef struct lmz_net lmz_net;

/* Make a net that any number of coders may share.  byte_embedding and tables must outlive it; the rest is copied.
   Return NULL when there is no memory or the weights are of another shape or beyond the overflow budget. */
lmz_net *lmz_net_new(const lmz_net_shape *shape, const lmz_net_weights *weights, int simd);
void lmz_net_free(lmz_net *net);

/* Run the net by itself over bytes (n_steps, n_lanes) from zero states: trees (n_steps, n_lanes, 512) are what it predicts
   before each byte.  For tests and measurements.  Return LMZ_DONE, LMZ_E_FULL without memory. */
int lmz_net_run(const lmz_net *net, int n_lanes, const uint8_t *bytes, size_t n_steps, uint32_t *trees);

/* --- blocks --------------------------------------------------------------------------------------------------------- */

typedef struct lmz_coder lmz_coder;

/* Bytes of state that one block needs, the raw and payload buffers not counted; 0 for bad arguments.
   net: NULL for methods without one. */
size_t lmz_memory_size(int method, size_t raw_size, int n_lanes, const lmz_net *net);

/* Start a block.  simd: an available variant.
   Return NULL for bad arguments or when there is no memory. */
lmz_coder *lmz_encoder_new(int method, int n_lanes, int simd, const lmz_net *net, const uint8_t *raw, size_t raw_size,
                           uint8_t *payload, size_t capacity);
lmz_coder *lmz_decoder_new(int method, int n_lanes, int simd, const lmz_net *net, const uint8_t *payload,
                           size_t payload_size, uint8_t *raw, size_t raw_size);

/* Let a block with a net and several lanes use up to n_threads threads, by default one; the result is the same. */
void lmz_coder_set_threads(lmz_coder *coder, int n_threads);

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

/* Whether this processor runs a variant, and the best that it runs. */
int lmz_simd_available(int simd);
int lmz_simd_best(void);

#endif
