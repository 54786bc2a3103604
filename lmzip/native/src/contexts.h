/* contexts.h - a lane's contexts: hashes of the bytes before, their words, lines, fields and records (ARITHMETIC 7). */
#ifndef LMZ_CONTEXTS_H
#define LMZ_CONTEXTS_H

#include "templates.h"

enum { CLASS_SPACE, CLASS_LOWER, CLASS_UPPER, CLASS_DIGIT, CLASS_NEWLINE, CLASS_OTHER, CLASS_MARKUP, CLASS_HIGH };

static inline uint32_t byte_class(uint32_t byte)
{
    if (byte >= 128) return CLASS_HIGH;
    if (byte - 'a' < 26) return CLASS_LOWER;
    if (byte - 'A' < 26) return CLASS_UPPER;
    if (byte - '0' < 10) return CLASS_DIGIT;
    if (byte == '\n') return CLASS_NEWLINE;
    if (byte <= ' ') return CLASS_SPACE;
    if (byte == '<' || byte == '>' || byte == '&' || byte == '=' || byte == '/' || byte == '"') return CLASS_MARKUP;
    return CLASS_OTHER;
}

/* The lane's byte at `at`, or `otherwise` where that is not before `end`. */
static inline uint32_t byte_before(const struct lmz_coder *c, const lmz_lane *lane, uint32_t at, uint32_t end,
                                   uint32_t otherwise)
{
    return at < end ? lane_byte(c, lane, at) : otherwise;
}

/* What stands in the field's peer, and how the field is to it so far, each in a word. */
static inline uint32_t peer_bytes(const lmz_lane *lane, int k) { return lane->peer_byte[k] | lane->peer_next[k] << 16; }
static inline uint32_t relations(const lmz_lane *lane, int k) { return lane->relation[k] * 8 + lane->last_relation[k]; }

/* Whether the lane's bytes are taken for records of numbers: text has no zeros. */
static inline int in_records(const lmz_lane *lane)
{
    return lane->last_seen[0] && lane->position - lane->last_seen[0] <= ZEROS_APART;
}

/* The value of a context of programs (ARITHMETIC 7.7); last: the last four bytes. */
static inline uint32_t instruction_context(const instruction *is, uint32_t kind, uint32_t last)
{
    const uint32_t place = is->place | is->prefixes << 8, opcode = is->opcode, *past = is->past;
    const uint32_t head = opcode + 512 * is->modrm;
    switch (kind) {
    case OPERAND: return hash2(is->operand, place);
    case OPERAND_OF: return hash3(is->operand, place, opcode + 512 * (is->modrm >> 3 & 7));
    case PLACE_ORDER_2: return hash3(opcode, place, last & 0xffff);
    case INSTRUCTION_1: return hash3(head, place, past[0]);
    case OPCODES_2: return hash3(head, place, (past[0] & 511) + 512 * (past[1] & 511));
    case INSTRUCTION_3: return hash3(head, place, hash3(past[0], past[1], past[2]));
    case OPERAND_2: return hash3(hash3(head, place, is->operand), past[0], past[1]);
    default: return hash3(hash3(head, place, is->operand), hash2(past[0], past[1]), hash2(past[2], past[3]));
    }
}

/* Compute lane->context for the byte at lane->position from the bytes of the lane before it, and the
   dictionary before these. */
static inline void set_contexts(const struct lmz_coder *c, lmz_lane *lane)
{
    uint32_t last = (uint32_t)lane->history, older = (uint32_t)(lane->history >> 32), c1 = last & 255,
             at = lane->position;

    uint32_t column = at - lane->line_start;
    uint32_t above = byte_before(c, lane, lane->above_start + column, lane->line_start, '\n');
    uint32_t field = lane->field < MAX_FIELDS ? lane->field : MAX_FIELDS - 1;
    set_peer_bytes(c, lane);
    uint32_t match = lane->match_pointer[0], length = lane->match_length[0];
    uint32_t matched = match && is_known(c, lane, match) ? 256u | c->raw[match] : 0;

    uint32_t stride = c->ngram.stride ? c->ngram.stride : 4, seen = at - lane->start + c->before;
    uint32_t record_above = seen >= stride ? lane_byte(c, lane, at - stride) : 0,
             record_above2 = seen >= 2 * stride ? lane_byte(c, lane, at - 2 * stride) : 0;
    uint32_t record_above_left = seen > stride ? lane_byte(c, lane, at - stride - 1) : 0;

    static const uint8_t of_records[] = {SPARSE_23, RECORD, RECORD_LEFT};
    const int is_in_records = in_records(lane);
    for (int i = 0; i < c->ngram.shape->n_contexts; i++) {
        uint32_t kind = c->ngram.contexts[i], v;
        if (in_range(kind, KEY, SHAPES) && is_in_records)
            kind = of_records[kind - KEY];
        switch (kind) {
        case ORDER_1: v = c1; break;
        case ORDER_2: v = last & 0xffff; break;
        case ORDER_3: v = last & 0xffffff; break;
        case ORDER_4: v = last; break;
        case ORDER_6: v = hash2(last, older & 0xffff); break;
        case ORDER_8: v = hash2(last, older); break;
        case WORD: v = hash2(lane->word[0], c1); break;
        case WORD_1: v = hash3(lane->word[0], lane->word[1], c1); break;
        case SPARSE_2: v = last & 0xff00; break;
        case SPARSE_23: v = last & 0xffff00; break;
        case COLUMN: v = hash2(column, above); break;
        case PEER: v = hash3(field, peer_bytes(lane, 0), relations(lane, 0)); break;
        case PEER_PREFIX: v = hash3(lane->peer_byte[0], lane->field_hash, lane->first_byte); break;
        case ABOVE_PEER: v = hash3(peer_bytes(lane, 1), relations(lane, 1), 1); break;
        case MATCHED: v = hash3(matched, c1, length < 15 ? length : 15); break;
        case RECORD: v = hash3(record_above | record_above2 << 8, seen % stride, stride); break;
        case RECORD_LEFT: v = hash3(record_above | record_above_left << 8, c1, stride); break;
        case INDIRECT_1: v = hash2(c->ngram.indirect1[c1], c1); break;
        case INDIRECT_2: v = hash2(c->ngram.indirect2[last & 0xffff], c1); break;
        case LANE_ORDER_3: v = hash2(lane->start, last & 0xffffff); break;
        case LINE_ORDER_2: v = hash2(lane->line_start, last & 0xffff); break;
        case FIELD: v = hash2(lane->field_hash, field); break;
        case KEY: v = hash3(lane->key, field ? c1 : 0, at - lane->field_start); break;
        case SHAPE: v = hash3(lane->shape, c1, at - lane->field_start); break;
        case SHAPES: v = hash3(lane->last_shape, lane->shape, peer_bytes(lane, 0)); break;
        default: v = instruction_context(&lane->instruction, kind, last); break;
        }
        lane->context[i] = hash2(v, kind);
    }
}

/* Look for a record length: a gap between equal bytes that comes twice running scores, and scores fade. */
static inline void update_stride(struct lmz_coder *c, lmz_lane *lane, uint32_t byte)
{
    uint32_t at = lane->position, gap = at - lane->last_seen[byte];
    if (gap == lane->last_gap[byte] && gap > 1 && gap <= MAX_STRIDE) {
        uint32_t score = c->ngram.stride_score[gap] + (gap > 64 ? 32u : 16u);
        c->ngram.stride_score[gap] = (uint16_t)(score > 60000 ? 60000 : score);
        if (score > 2048 && (!c->ngram.stride || score > c->ngram.stride_score[c->ngram.stride]))
            c->ngram.stride = gap;
    }
    lane->last_gap[byte] = gap;
    lane->last_seen[byte] = at;
    if ((at & 1023) == 0)
        for (int i = 0; i <= MAX_STRIDE; i++)
            c->ngram.stride_score[i] = (uint16_t)(c->ngram.stride_score[i] - c->ngram.stride_score[i] / 8);
}

static inline void update_word(lmz_lane *lane, uint32_t byte, uint32_t class)
{
    uint32_t letter = class == CLASS_UPPER ? byte + 32 : byte;
    if (class == CLASS_LOWER || class == CLASS_UPPER || class == CLASS_HIGH) {
        uint32_t h = (lane->word[0] + letter) * 0x2F0B4C47u;
        lane->word[0] = h ^ h >> 13;
    } else if (lane->word[0]) {
        lane->word[1] = lane->word[0];
        lane->word[0] = 0;
    }
}

/* Lines end at newlines; fields end at every byte that is no letter, digit or above 127. */
static inline void update_line(struct lmz_coder *c, lmz_lane *lane, uint32_t byte, uint32_t class)
{
    if (lane->position - lane->line_start == 1)
        lane->first_byte = byte;
    const int is_end = class == CLASS_NEWLINE || class == CLASS_SPACE || class == CLASS_OTHER || class == CLASS_MARKUP;
    if (is_end) {
        update_key(lane, byte);
        update_shape(lane, byte);
    }
    if (class == CLASS_NEWLINE) {
        lane->above_start = lane->line_start;
        lane->line_start = lane->position;
        lane->field = lane->field_hash = 0;
    } else if (is_end) {
        lane->field++;
        lane->field_hash = hash2(byte, 1);
    } else {
        lane->field_hash = hash2(lane->field_hash, byte);
        update_token(lane, byte, class == CLASS_DIGIT);
        return;
    }
    lane->field_start = lane->position;
    update_peers(c, lane);
}

/* Take in the byte that stood at lane->position, and move on. */
static inline void update_history(struct lmz_coder *c, lmz_lane *lane, uint32_t byte)
{
    uint32_t *followers1 = &c->ngram.indirect1[lane->history & 255],
             *followers2 = &c->ngram.indirect2[lane->history & 0xffff];
    uint32_t class = byte_class(byte);
    update_stride(c, lane, byte);
    *followers1 = (*followers1 << 8 | byte) & 0xffffff;
    *followers2 = (*followers2 << 8 | byte) & 0xffff;
    lane->history = lane->history << 8 | byte;
    lane->class_history = (lane->class_history << 3 | class) & 511;
    lane->position++;
    if (c->ngram.is_code)
        update_instruction(&lane->instruction, byte, c->spec.machine == LMZ_X86_64);
    update_word(lane, byte, class);
    update_relations(lane, byte);
    update_line(c, lane, byte, class);
}

#endif
