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
#define LMZ_N_METHODS 13 /* methods 1 .. LMZ_N_METHODS */
#define LMZ_NET_METHOD 5 /* methods from here on need a net, and from */
#define LMZ_TOKEN_METHOD 10 /* here on a transformer instead */
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

/* Make a net that any number of coders may share; all is copied.
   Return NULL when there is no memory or the weights are of another shape or beyond the overflow budget. */
lmz_net *lmz_net_new(const lmz_net_shape *shape, const lmz_net_weights *weights, int simd);
void lmz_net_free(lmz_net *net);

/* Run the net by itself over bytes (n_steps, n_lanes) from zero states: trees (n_steps, n_lanes, 512) are what it predicts
   before each byte.  For tests and measurements.  Return LMZ_DONE, LMZ_E_FULL without memory. */
int lmz_net_run(const lmz_net *net, int n_lanes, const uint8_t *bytes, size_t n_steps, uint32_t *trees);

/* --- the transformer (ARITHMETIC 9) --------------------------------------------------------------------------------- */

/* Its products, in the order of use; `wide` has a bit for each whose input has 15 bits. */
enum { LMZ_PRODUCT_IN, LMZ_PRODUCT_OUT, LMZ_PRODUCT_UP, LMZ_PRODUCT_DOWN, LMZ_PRODUCT_HEAD, LMZ_PRODUCT_EMBED };

typedef struct {
    int n_embd, n_hidden, n_layer, n_head, n_kv_head, head_dim, n_vocab, window, wide, has_head;
    uint64_t epsilon;
    int64_t scale_of_scores;
} lmz_transformer_shape;

typedef struct lmz_transformer lmz_transformer;

/* Make a transformer without matrices.  norms: (2 n_layer + 1, n_embd) and norm_units (2 n_layer + 1), in the order of
   use; frequencies: (head_dim / 2).  All is copied.  Return NULL when there is no memory or for a shape or numbers beyond
   the budget. */
lmz_transformer *lmz_transformer_new(const lmz_transformer_shape *shape, const int16_t *norms, const uint8_t *norm_units,
                                     const uint32_t *frequencies, int simd);

/* Copy a matrix of n_rows rows of n_in weights, and the multipliers of its rows; biases: (n_rows), for LMZ_PRODUCT_IN, or
   NULL.  layer: 0 for head and embeddings.  Return LMZ_E_DAMAGED for one of another shape or beyond the budget. */
int lmz_transformer_set(lmz_transformer *t, int product, int layer, const int8_t *weights, const int32_t *multipliers,
                        const int32_t *biases, size_t n_rows, size_t n_in);

/* Tell it its tokens' byte strings: their bytes end to end and their sizes (n_vocab).  Return LMZ_E_FULL without memory,
   LMZ_E_DAMAGED where they are not sorted, one is empty or twice there, or a single byte is none of them. */
int lmz_transformer_set_vocabulary(lmz_transformer *t, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes);

/* Whether all matrices are there. */
int lmz_transformer_is_complete(const lmz_transformer *t);
void lmz_transformer_free(lmz_transformer *t);

/* Run it by itself: before step s it takes in tokens (n_steps, n_lanes) of step s - 1, the start at first; exponentials
   (n_steps, n_lanes, n_vocab) are what it predicts.  Return LMZ_DONE, LMZ_E_FULL without memory, LMZ_E_DAMAGED for bad
   arguments. */
int lmz_transformer_run(const lmz_transformer *t, int n_lanes, int n_threads, const uint32_t *tokens, size_t n_steps,
                        uint32_t *exponentials);

/* Make a transformer that is a vocabulary and no more, as lmz_transformer_set_vocabulary takes it; what it would predict,
   the caller tells (lmz_coder_run_tokens).  At most 2^24 - 1 tokens.  Return NULL when there is no memory or for what is
   no vocabulary. */
lmz_transformer *lmz_transformer_new_outside(const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n_vocab);

/* --- blocks --------------------------------------------------------------------------------------------------------- */

typedef struct lmz_coder lmz_coder;

/* Bytes of state that one block needs, the raw and payload buffers not counted; 0 for bad arguments.  It may be more than
   this machine can address; then there is no memory for a coder.
   net, transformer: NULL for methods without one. */
uint64_t lmz_memory_size(int method, size_t raw_size, int n_lanes, const lmz_net *net, const lmz_transformer *transformer);

/* Start a block.  simd: an available variant.
   Return NULL for bad arguments or when there is no memory. */
lmz_coder *lmz_encoder_new(int method, int n_lanes, int simd, const lmz_net *net, const lmz_transformer *transformer,
                           const uint8_t *raw, size_t raw_size, uint8_t *payload, size_t capacity);
lmz_coder *lmz_decoder_new(int method, int n_lanes, int simd, const lmz_net *net, const lmz_transformer *transformer,
                           const uint8_t *payload, size_t payload_size, uint8_t *raw, size_t raw_size);

/* Where an encoder with a transformer cuts the block: the sizes of its tokens, one lane's behind the other's; they must
   outlive the encoder.  Return LMZ_E_DAMAGED where they are no tokens, or one reaches from a lane into the next. */
int lmz_encoder_set_tokens(lmz_coder *coder, const uint8_t *sizes, size_t n_tokens);

/* Let a block with a net and several lanes use up to n_threads threads, by default one; the result is the same. */
void lmz_coder_set_threads(lmz_coder *coder, int n_threads);

/* Advance by at most n_steps steps, one byte of every lane each, or with a transformer one token.  Return
   LMZ_E_DAMAGED for one from outside. */
int lmz_coder_run(lmz_coder *coder, uint64_t n_steps);

/* Fill `lanes` (at most n_lanes) with the numbers of those that have not ended, rising; return how many they are. */
int lmz_coder_lanes(const lmz_coder *coder, uint32_t *lanes);

/* With a transformer from outside: advance by one step, by one token of each of the n lanes that lmz_coder_lanes tells.
   exponentials: (n, n_vocab), within 1 .. 2^31, what is predicted for each; tokens: (n) the tokens that were coded, if
   the block is not failed.  Return as lmz_coder_run, LMZ_E_DAMAGED for exponentials beyond that and for other coders. */
int lmz_coder_run_tokens(lmz_coder *coder, const uint32_t *exponentials, uint32_t *tokens);

/* Raw bytes coded so far. */
size_t lmz_coder_position(const lmz_coder *coder);

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
