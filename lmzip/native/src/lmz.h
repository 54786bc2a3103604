/* lmz.h - the interface of lmzip's native kernel: one block of bytes <-> one arithmetic-coded payload.

   Integers only (docs/ARITHMETIC.md defines every one of them), no globals: any number of coders may run in as many
   threads.  The caller owns the buffers, which must outlive the coder. */
#ifndef LMZ_H
#define LMZ_H

#include <stddef.h>
#include <stdint.h>

enum {
    LMZ_DONE = 0,        /* the block is complete */
    LMZ_MORE = 1,        /* call lmz_coder_run again */
    LMZ_WANTS = 2,       /* the same, once what is wanted is there (lmz_external_run) */
    LMZ_E_FULL = -1,     /* encoder: the payload does not fit into its capacity */
    LMZ_E_DAMAGED = -2,  /* decoder: the payload is not one that an encoder writes */
    LMZ_E_MEMORY = -3,   /* there is no memory */
    LMZ_E_ARGUMENT = -4  /* the caller's arguments break a rule of this file, or weights one of ARITHMETIC */
};

#define LMZ_MAX_LANES 128
#define LMZ_MAX_RAW_SIZE 0x40000000
#define LMZ_MAX_SHOWN 0xC0000000
#define LMZ_MAX_DICTIONARY_SIZE 0x8000000
#define LMZ_MAX_ORDERS 8
#define LMZ_NOTED_SIZE 4096 /* raw bytes up to which it is sooner to undo what a block changed than to copy all */

/* --- variants for processors: all give the same bytes (cpu.c) ----------------------------------------------------- */

/* The name of a variant, the slowest being number 0; NULL beyond the last. */
const char *lmz_simd_name(int simd);

/* Whether this processor runs a variant, and the best that it runs: for blocks, or for experts. */
int lmz_simd_available(int simd);
int lmz_simd_best(int for_experts);

/* What a step of a block is of: of a block by the base alone, or with an expert. */
enum { LMZ_ALONE, LMZ_BYTES, LMZ_TOKENS, LMZ_N_UNITS };

/* --- experts: models that predict beside the base of a block ------------------------------------------------------ */

typedef struct lmz_expert lmz_expert;

void lmz_expert_free(lmz_expert *expert);
int lmz_expert_unit(const lmz_expert *expert);

/* Run an expert by itself, from the start, over bytes or tokens (n_steps, n_lanes): what it predicts before each of
   them is a tree of sums (n_steps, n_lanes, 512), or weights (n_steps, n_lanes, n_vocab).  Return LMZ_DONE,
   LMZ_E_MEMORY, LMZ_E_ARGUMENT. */
int lmz_expert_run(const lmz_expert *expert, int n_lanes, int n_threads, const uint32_t *symbols, size_t n_steps,
                   uint32_t *predicted);

/* The same step by step, for a caller who learns what comes from what is predicted: start, and free in the end with
   lmz_coder_free; then predict the next of every lane, (n_lanes, 512) or (n_lanes, n_vocab), and say what they are.
   Return NULL for bad arguments or when there is no memory, LMZ_E_ARGUMENT for no such byte or token. */
typedef struct lmz_coder lmz_coder;
lmz_coder *lmz_walk_new(const lmz_expert *expert, int n_lanes, int n_threads);
void lmz_walk_predict(lmz_coder *walk, uint32_t *predicted);
int lmz_walk_learn(lmz_coder *walk, const uint32_t *symbols);

/* Experts whose distributions the caller computes, by lmz_coder_run_external: of bytes as the byte-level net's, or of
   tokens as the transformer's.  bytes, n_bytes, sizes: as of lmz_llama_set_vocabulary, at most 2^24 - 1 tokens.  Return
   NULL when there is no memory or for what is no vocabulary. */
lmz_expert *lmz_external_bytes_new(void);
lmz_expert *lmz_external_tokens_new(const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n_vocab);

typedef struct { /* a prefix of tokens */
    uint32_t first, end; /* the tokens that begin with it, itself the first if it is one */
    uint32_t children;   /* the prefixes that are one byte longer stand together from there on, in order of bytes */
    uint16_t n_children;
    uint8_t byte;        /* the last one */
    uint8_t is_token;
} lmz_prefix;

/* All prefixes of the tokens of an expert, by their numbers (TRANSFORMER 12.3); NULL for one that has no tokens. */
const lmz_prefix *lmz_expert_prefixes(const lmz_expert *expert, size_t *n_prefixes);

/* Tables of ARITHMETIC 10.4 (193), TRANSFORMER 8 (1025) and 5 (1025), for those who compute as experts do. */
const uint32_t *lmz_rsqrt_numbers(void);
const uint16_t *lmz_sigmoid_numbers(void);
const int16_t *lmz_cosine_numbers(void);

/* --- the byte-level net (ARITHMETIC 10) --------------------------------------------------------------------------- */

typedef struct {
    int n_embd, n_layer, n_hidden, n_state; /* widths, multiples of 32 */
    int byte_dim, table_dim, table_bits, n_orders;
    int orders[LMZ_MAX_ORDERS];         /* bytes of each hashed context; 0: the letters of the current word */
} lmz_bytelm_shape;

typedef struct { /* matrices in the order of use: embed, (in, out, up, down) of each layer, head; rows end to end */
    const int8_t *byte_embedding; /* (256, byte_dim) */
    const int8_t *tables;         /* (n_orders, 2^table_bits, table_dim) */
    const int8_t *weights;        /* (n_weights) */
    const int32_t *multipliers;   /* (n_rows) 2^24 times what a row's sum of products is scaled by */
    const int32_t *forget_biases; /* (n_layer, n_state) 1.0 = 2^12 */
    size_t n_weights, n_rows;
} lmz_bytelm_weights;

/* Make a net that any number of coders may share; all is copied.  simd: an available variant.
   Return NULL when there is no memory or the weights are of another shape or beyond the overflow budget. */
lmz_expert *lmz_bytelm_new(const lmz_bytelm_shape *shape, const lmz_bytelm_weights *weights, int simd);

/* --- the transformer (TRANSFORMER) -------------------------------------------------------------------------------- */

/* Its matrices, in the order of use; `int15` has a bit for each that multiplies vectors of 15 bits. */
enum { LMZ_W_QKV, LMZ_W_O, LMZ_W_GATE_UP, LMZ_W_DOWN, LMZ_W_LM_HEAD, LMZ_W_EMBED };

typedef struct {
    int n_embd, n_hidden, n_layer, n_head, n_kv_head, head_dim, n_vocab, window, int15, has_lm_head;
    uint64_t epsilon;
    int64_t scale_of_scores;
    int embed_scale;         /* 2^8 times what embeddings are scaled by */
    int has_gelu;            /* gates go through GELU, not SiLU */
    int has_head_norms;      /* of queries and keys */
    int has_post_norms;      /* of what attention and MLP give */
    int score_cap, logit_cap; /* soft caps, 2^-12 octaves; 0: none */
    int local_window;        /* tokens that attention of local layers sees; 0: no layer is local */
} lmz_llama_shape;

/* Make a transformer without matrices.  norms, end to end, and their gain_shifts: for each layer qkv (n_embd), q and k
   (head_dim) with has_head_norms, o (n_embd) with has_post_norms, gate_up (n_embd), down (n_embd) with has_post_norms,
   then lm_head (n_embd); inv_freq: (head_dim / 2), and as many for local layers where there may be some; is_local:
   (n_layer), or NULL.  All is copied.  Return NULL when there is no memory or for a shape or numbers beyond the
   budget. */
lmz_expert *lmz_llama_new(const lmz_llama_shape *shape, const int16_t *norms, const uint8_t *gain_shifts,
                          const uint32_t *inv_freq, const uint8_t *is_local, int simd);

/* Copy a matrix of n_rows rows of n_in weights, and the multipliers of its rows; biases: (n_rows), for LMZ_W_QKV, or
   NULL.  layer: 0 for head and embeddings.  Return LMZ_E_ARGUMENT for one of another shape or beyond the budget. */
int lmz_llama_set(lmz_expert *t, int matrix, int layer, const int8_t *weights, const int32_t *multipliers,
                  const int32_t *biases, size_t n_rows, size_t n_in);

/* Tell it its tokens' byte strings: their bytes end to end and their sizes (n_vocab).  Return LMZ_E_MEMORY,
   LMZ_E_ARGUMENT where they are not sorted, one is empty or twice there, or a single byte is none of them. */
int lmz_llama_set_vocabulary(lmz_expert *t, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes);

/* Whether all matrices are there. */
int lmz_llama_is_complete(const lmz_expert *t);

/* --- copies: long repeats, taken out of a block before it is coded (FORMAT 4.6) ----------------------------------- */

/* What finds bytes again that it was shown, in one block or in blocks that follow each other; it holds no bytes, but
   fingerprints of them. */
typedef struct lmz_finder lmz_finder;

/* Make a finder for at most so many bytes at once; NULL when there is no memory, or for more than LMZ_MAX_SHOWN. */
lmz_finder *lmz_finder_new(size_t most);
void lmz_finder_free(lmz_finder *finder); /* NULL is allowed */

/* Forget the first n of the bytes that were shown last, of which there are `size`: what is shown next begins behind
   them.  Return LMZ_E_MEMORY, and then the finder is only to be freed. */
int lmz_finder_forget(lmz_finder *finder, const uint8_t *bytes, size_t size, size_t n);

/* Write to `body` the list of copies and the rest that the last raw_size of `size` bytes are made of, and its size; the
   bytes before them are those that the finder was shown.  window: how far before the raw bytes a copy may begin; reach:
   how far one does, 0 where none does.  least: bytes in all copies from which on those of the raw bytes themselves
   count, of which models know; others always do.  machine: what the rest is converted for, 0 for none.  Return
   LMZ_E_FULL where the body would be larger than its capacity, or nothing is left of the copies; LMZ_E_MEMORY. */
int lmz_copies_take(lmz_finder *finder, const uint8_t *bytes, size_t size, size_t raw_size, size_t window, size_t least,
                    int machine, uint8_t *body, size_t capacity, size_t *body_size, size_t *reach);

/* Write the raw bytes that a body makes whose rest is converted for a machine, or is not, behind `reach` bytes of which
   it may have copies.  Return LMZ_E_DAMAGED where they are not raw_size bytes.  made: how many there are, of the
   beginning of a body those that it makes. */
int lmz_copies_put_back(const uint8_t *body, size_t body_size, int machine, uint8_t *raw, size_t raw_size, size_t reach,
                        size_t *made);

/* --- addresses: operands of machine code, written as what they lead to (FORMAT 4.9) ------------------------------- */

enum { LMZ_X86 = 1, LMZ_X86_64, LMZ_ARM64 };

/* Convert the raw bytes of a block without copies for a machine; LMZ_E_ARGUMENT for one that there is not. */
int lmz_addresses_write(uint8_t *bytes, size_t size, int machine);

/* Count how many operands in the raw bytes of a block say what another one before them did: as they are, and written as
   addresses; two numbers each for branches of x86, other operands of x86-64, and branches of arm64.  LMZ_E_MEMORY. */
int lmz_addresses_count(const uint8_t *raw, size_t size, uint32_t repeats[6]);

/* --- originals: what a block has copies of without a frame before it (FORMAT 4.8) --------------------------------- */

/* What finds bytes of an original again; it holds no bytes, but places of them by their fingerprints. */
typedef struct lmz_original lmz_original;

/* How many bytes of memory one takes for so many bytes. */
uint64_t lmz_original_memory(size_t size);

/* Make one for bytes that outlive it, at most LMZ_MAX_RAW_SIZE; NULL when there is no memory, or for more. */
lmz_original *lmz_original_new(const uint8_t *bytes, size_t size);
void lmz_original_free(lmz_original *original); /* NULL is allowed */

/* Write to `body` the list of copies and the rest that raw bytes are made of, and both sizes.  Several threads may use
   one original.  Return LMZ_E_FULL where there are no copies, or the body would be larger than its capacity, which is
   at most raw_size. */
int lmz_original_take(const lmz_original *original, const uint8_t *raw, size_t raw_size, uint8_t *body, size_t capacity,
                      size_t *list_size, size_t *body_size);

/* Write the bytes of an original that stand near what its copies leave of a block, in their order: the last `capacity`
   of them; near_size: how many that are.  Return LMZ_E_DAMAGED for what is no list of such copies. */
int lmz_original_near(const uint8_t *bytes, size_t size, const uint8_t *list, size_t list_size, size_t rest_size,
                      uint8_t *near_bytes, size_t capacity, size_t *near_size);

/* Write the raw bytes that list and rest make.  Return LMZ_E_DAMAGED where they are not raw_size bytes. */
int lmz_original_put_back(const uint8_t *bytes, size_t size, const uint8_t *list, size_t list_size, const uint8_t *rest,
                          size_t rest_size, uint8_t *raw, size_t raw_size);

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* Flags of a content; two bits say to which power of two, in bytes, lines of an image are padded. */
enum { LMZ_BIG_ENDIAN = 1, LMZ_SIGNED = 2, LMZ_FLOAT = 4, LMZ_PALETTE = 8, LMZ_LINE_UNIT_SHIFT = 4 };

typedef struct { /* what the raw bytes are (FORMAT 4.5); all 0 for bytes of any meaning */
    int kind;       /* the base that codes it: 0 bytes */
    int channels;   /* samples of a pixel, or of a moment of sound */
    int depth;      /* bits of a sample */
    int flags;      /* LMZ_BIG_ENDIAN ... */
    int offset;     /* bytes before the first sample */
    uint32_t width; /* pixels of a line */
} lmz_content;

typedef struct { /* what a block is, as its head and its frame's header say (FORMAT 3, 4) */
    size_t raw_size;
    int profile;    /* a row of the table of profiles, 1 .. lmz_n_profiles() */
    int n_lanes;
    int context;    /* how often the window of an expert of tokens is halved */
    lmz_content content;
    size_t dictionary_size; /* bytes before the raw bytes that are known and not coded (ARITHMETIC 1.5) */
    int machine;    /* whose code it has (FORMAT 4.9): 0, LMZ_X86 ... */
} lmz_block_spec;

int lmz_n_profiles(void);

/* Whether there are blocks of a profile and a unit, and how many lanes they may have. */
int lmz_profile_takes(int profile, int unit);
int lmz_max_lanes(int unit);

/* Bytes of state that one block needs, the raw and payload buffers not counted; 0 for bad arguments.  It may be more
   than this machine can address; then there is no memory for a coder.  expert: NULL for a block of the base alone. */
uint64_t lmz_memory_size(const lmz_block_spec *spec, const lmz_expert *expert);

/* The same for a coder that learns the dictionary of such a block.  Blocks of a profile and an expert, all of one lane
   or all of several, for which it is the same number can begin with the same state. */
uint64_t lmz_learner_size(const lmz_block_spec *spec, const lmz_expert *expert);

/* Start a block.  simd: an available variant.  raw: where spec->raw_size bytes are or come; those of a dictionary stand
   before them.  Return NULL for bad arguments or when there is no memory. */
lmz_coder *lmz_encoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *raw,
                           uint8_t *payload, size_t capacity);
lmz_coder *lmz_decoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *payload,
                           size_t payload_size, uint8_t *raw);

/* A decoder that is told what must come out (raw_size bytes, apart from `raw`), to prove a payload: it decodes as any
   other, but an expert predicts as fast as for an encoder.  lmz_coder_run returns LMZ_E_DAMAGED after the step in which
   something else comes out. */
lmz_coder *lmz_verifier_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *payload,
                            size_t payload_size, uint8_t *raw, const uint8_t *expected);

/* A coder of one lane that samples what follows the first n_given bytes of `raw` (raw_size), which it fills.  It takes
   them in as an encoder that writes to `scratch`, of at least LMZ_SCRATCH_RATE * n_given + 64 bytes; when its position
   is n_given, lmz_coder_draw makes it a decoder of random bits, which must outlive it.  What a decoder makes of random
   bits is drawn from what it predicts. */
#define LMZ_SCRATCH_RATE 32
lmz_coder *lmz_sampler_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, uint8_t *raw, size_t n_given,
                           uint8_t *scratch, size_t capacity);
void lmz_coder_draw(lmz_coder *coder, const uint8_t *bits, size_t n_bytes);

/* A coder that learns the dictionary of blocks like this one, of whose lanes no more matters than whether there are
   several.  simd: as above.  Once lmz_coder_run has returned LMZ_DONE it is read only, and any number of coders may
   begin with what it has learned. */
lmz_coder *lmz_learner_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *dictionary);

/* Let a new coder of a block with a dictionary, which has to be told, begin with what was learned of it.  Return
   LMZ_E_ARGUMENT where that is of blocks of another kind. */
int lmz_coder_set_dictionary(lmz_coder *coder, const lmz_coder *learner);

/* Let a coder of a block behind a dictionary, by the base alone, begin another: sooner than a new one where both are
   small, as only what the last one changed is undone.  learner: what the coder was told of.  raw: as above.  Then say
   what it is to do.  Return LMZ_E_ARGUMENT for a block of another size of tables, which a new one is for. */
int lmz_coder_restart(lmz_coder *coder, const lmz_coder *learner, size_t raw_size, uint8_t *raw);
void lmz_coder_encode(lmz_coder *coder, uint8_t *payload, size_t capacity);
void lmz_coder_decode(lmz_coder *coder, const uint8_t *payload, size_t payload_size);

/* How an encoder with an expert of tokens cuts the block, a sampler what it is given, or a decoder finds it cut that is
   told what must come out: the sizes of its tokens, one lane's behind the other's; they must outlive the coder.  Return
   LMZ_E_ARGUMENT where they are no tokens, or one reaches from a lane into the next. */
int lmz_coder_set_tokens(lmz_coder *coder, const uint8_t *sizes, size_t n_tokens);

/* Let a block with an expert and several lanes use up to n_threads threads, by default one; the result is the same. */
void lmz_coder_set_threads(lmz_coder *coder, int n_threads);

/* Advance by at most n_steps steps of the expert's unit, one byte or one token of every lane each.  Return
   LMZ_E_ARGUMENT for an expert whose distributions the caller computes, and where a dictionary is not told. */
int lmz_coder_run(lmz_coder *coder, uint64_t n_steps);

/* Fill `lanes` (at most n_lanes) with the numbers of those that have not ended, rising; return how many they are. */
int lmz_coder_lanes(const lmz_coder *coder, uint32_t *lanes);

/* With an external expert: advance by one step of the n lanes that lmz_coder_lanes tells.  weights: (n, 256) of bytes,
   within 1 .. 2^23, or (n, n_vocab) of tokens, within 1 .. 2^31: proportional to their probabilities.  symbols: (n) the
   bytes or tokens that were coded, if the block is not failed.  Return as lmz_coder_run, LMZ_E_ARGUMENT for weights
   beyond that and for other experts. */
int lmz_coder_run_external(lmz_coder *coder, const uint32_t *weights, uint32_t *symbols);

/* Tokens to come, of which coding needs few sums: what is predicted behind some prefixes.  None is needed of those that
   are no token and that one byte follows. */
typedef struct {
    const uint64_t *columns;   /* (n_columns + 1) where the entries of each column, a lane at a step, begin */
    const uint32_t *prefixes;  /* of each entry: its number; what is none is passed over */
    const uint32_t *ends;      /* where it is a token and begins others, 2^32 times the probability that the token ends
                                  (TRANSFORMER 12.3) */
    const uint64_t *leaves_at; /* where its leaves begin, one for each of its children */
    const uint32_t *leaves;    /* (n_leaves) of the tree of the byte behind it (TRANSFORMER 12.4) */
    uint64_t n_leaves;
    int is_all; /* whether what is missing would show that a payload is damaged; else more may be wanted */
} lmz_token_masses;

typedef struct { /* a coder with an external expert, and what it is told of some steps */
    lmz_coder *coder;
    const uint32_t *weights; /* (n_columns, n_symbols) a column for each lane of each step, rows as above; or NULL, */
    const lmz_token_masses *masses; /* and of tokens, the same columns */
    uint64_t column;         /* of the block's first lane in the next step; those of the others follow, by number */
    uint64_t step_size;      /* columns from one step to the next */
    uint64_t n_steps;        /* to advance by; how many of them are left */
    const uint32_t *wanted;  /* weights of the tokens that were wanted */
    uint32_t *symbols;       /* (n_lanes) of the last step, by lane; those of lanes that had ended stay as they are */
    int status;              /* of the last step; the first that is not LMZ_MORE ends the run, but LMZ_WANTS: */
    uint64_t wanted_column;  /* weights of a column's tokens are wanted */
    uint32_t wanted_first, wanted_end; /* from this on to before that */
} lmz_external_run;

/* Advance many coders, which up to n_threads threads share; one without steps is left alone.  Columns of lanes that
   have ended are not looked at.  To be called again, once what some want is there, as long as there are such. */
void lmz_run_externals(lmz_external_run *runs, int n_runs, int n_threads);

/* Raw bytes coded so far. */
size_t lmz_coder_position(const lmz_coder *coder);

/* How many bytes of every lane's chunk are coded, those of ended lanes counting as all there are; chunk size in the
   end. */
size_t lmz_coder_reached(const lmz_coder *coder);

/* Encoder: bytes of payload written; final once lmz_coder_run has returned LMZ_DONE. */
size_t lmz_coder_payload_size(const lmz_coder *coder);

/* Encoder: what its code is known to lie in: so many bytes, which are returned, and behind them an interval of this
   width in units of 2^-64.  So 8 bits for each byte and 64 - log2(width) are the information in what is coded. */
size_t lmz_coder_interval(const lmz_coder *coder, uint64_t *width);

/* Weights of the mixer of bytes, to look at or to start from others: of the sets in their order (rows, n_inputs), and
   behind them those of the second layer (2, 256, 6); n: how many.  Returns NULL behind these, and for other bases. */
int32_t *lmz_coder_weights(lmz_coder *coder, int part, size_t *n);

void lmz_coder_free(lmz_coder *coder);

#endif
