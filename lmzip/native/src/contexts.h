/* contexts.h - what a context is: the hashes of the bytes before, their words, lines, fields and records (ARITHMETIC 5). */
#ifndef LMZ_CONTEXTS_H
#define LMZ_CONTEXTS_H

#include "internal.h"

enum {
    ORDER_1 = 1, ORDER_2, ORDER_3, ORDER_4, ORDER_5, ORDER_6, ORDER_8,
    WORD, WORD_1, WORD_2, WORD_GAP, SPARSE_2, SPARSE_23, SPARSE_13, COLUMN, ABOVE, FIELD, FIELD_ABOVE, FIELD_ABOVE_1,
    RECORD, RECORD_1, RECORD_2, INDIRECT, INDIRECT_1, FORMAT, WORD_12, SPARSE_3, RECORD_3
};

static inline uint32_t hash2(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9E3779B1u + b * 0x85EBCA6Bu + 0x2F0B4C47u;
    return h ^ h >> 15;
}
static inline uint32_t hash3(uint32_t a, uint32_t b, uint32_t d) { return hash2(hash2(a, b), d); }

static inline uint32_t char_class(uint32_t byte)
{
    if (byte >= 128) return 7;
    if ((byte | 32) - 'a' < 26) return byte & 32 ? 1 : 2;
    if (byte - '0' < 10) return 3;
    if (byte == '\n') return 4;
    if (byte <= 32) return 0;
    if (byte == '<' || byte == '>' || byte == '&' || byte == '=' || byte == '/' || byte == '"') return 6;
    return 5;
}

static inline void set_contexts(struct lmz_coder *c, lmz_lane *lane)
{
    const uint8_t *raw = c->raw;
    uint64_t h = lane->history;
    uint32_t c1 = h & 255, c4 = (uint32_t)h, at = lane->position;
    uint32_t column = at - lane->line_start;
    uint32_t above_at = lane->above_start + column;
    uint32_t above = above_at < lane->line_start ? raw[above_at] : 10;
    uint32_t above_next = above_at + 1 < lane->line_start ? raw[above_at + 1] : 10;
    uint32_t field = lane->field < MAX_FIELDS ? lane->field : MAX_FIELDS - 1;
    uint32_t above_field_byte = 0, above_field_next = 0;
    if (field < lane->n_above_fields) {
        uint32_t p = lane->field_starts[lane->parity ^ 1][field] + (at - lane->field_start);
        if (p < lane->line_start) above_field_byte = raw[p];
        if (p + 1 < lane->line_start) above_field_next = raw[p + 1];
    }
    uint32_t stride = c->stride ? c->stride : 4, seen = at - lane->start;
    uint32_t r1 = seen >= stride ? raw[at - stride] : 0, r2 = seen >= 2 * stride ? raw[at - 2 * stride] : 0;
    uint32_t r1l = seen > stride ? raw[at - stride - 1] : 0;
    uint32_t r1r = seen >= stride ? raw[at - stride + 1] : 0;
    uint32_t place = seen % stride;

    for (int i = 0; i < c->method->n_contexts; i++) {
        uint32_t kind = c->method->contexts[i], v;
        switch (kind) {
        case ORDER_1: v = c1; break;
        case ORDER_2: v = c4 & 0xffff; break;
        case ORDER_3: v = c4 & 0xffffff; break;
        case ORDER_4: v = c4; break;
        case ORDER_5: v = hash2(c4, h >> 32 & 0xff); break;
        case ORDER_6: v = hash2(c4, h >> 32 & 0xffff); break;
        case ORDER_8: v = hash2(c4, (uint32_t)(h >> 32)); break;
        case WORD: v = hash2(lane->word[0], c1); break;
        case WORD_1: v = hash3(lane->word[0], lane->word[1], c1); break;
        case WORD_2: v = hash3(lane->word[0], lane->word[2], 77); break;
        case WORD_12: v = hash3(lane->word[0], lane->word[1], lane->word[2]); break;
        case WORD_GAP: v = hash2(lane->word[1], c4 & 0xffff); break;
        case SPARSE_2: v = c4 & 0xff00; break;
        case SPARSE_23: v = c4 & 0xffff00; break;
        case SPARSE_13: v = c4 & 0xff00ff; break;
        case SPARSE_3: v = c4 & 0xffff0000; break;
        case COLUMN: v = hash2(column, above); break;
        case ABOVE: v = hash3(above, above_next, c4 & 0xffff); break;
        case FIELD: v = hash2(field, lane->field_hash); break;
        case FIELD_ABOVE: v = hash3(field, above_field_byte | above_field_next << 8, c1); break;
        case FIELD_ABOVE_1: v = hash3(above_field_byte, lane->field_hash, lane->first_byte); break;
        case RECORD: v = hash3(r1 | r2 << 8, place, stride); break;
        case RECORD_1: v = hash3(r1 | c1 << 8, place, stride); break;
        case RECORD_2: v = hash3(r1 | r1l << 8, c1, stride); break;
        case RECORD_3: v = hash3(r1 | r1r << 8 | c1 << 16, c4 & 0xff00, stride); break;
        case INDIRECT: v = hash2(c->indirect1[c1], c1); break;
        case INDIRECT_1: v = hash2(c->indirect2[c4 & 0xffff], c1); break;
        case FORMAT: v = hash3(lane->class_history, lane->first_byte, c1); break;
        default: v = 0;
        }
        lane->context[i] = hash2(v, kind);
    }
}

static inline void update_stride(struct lmz_coder *c, lmz_lane *lane, uint32_t byte)
{
    uint32_t at = lane->position, gap = at - c->last_seen[byte];
    if (gap == c->last_gap[byte] && gap > 1 && gap < 2048) {
        uint16_t score = c->stride_score[gap] = (uint16_t)(c->stride_score[gap] + 16 + (gap > 64 ? 16 : 0));
        if (score > 2048 && (!c->stride || score > c->stride_score[c->stride]))
            c->stride = gap;
        if (score > 60000)
            for (int i = 0; i < 2048; i++)
                c->stride_score[i] /= 2;
    }
    c->last_gap[byte] = gap;
    c->last_seen[byte] = at;
    if ((at & 1023) == 0)
        for (int i = 0; i < 2048; i++)
            c->stride_score[i] -= c->stride_score[i] / 8;
}

static inline void update_history(struct lmz_coder *c, lmz_lane *lane, uint32_t byte)
{
    uint32_t c1 = lane->history & 255;
    update_stride(c, lane, byte);
    c->indirect2[lane->history & 0xffff] = (c->indirect2[lane->history & 0xffff] << 8 | byte) & 0xffff;
    c->indirect1[c1] = (c->indirect1[c1] << 8 | byte) & 0xffffff;
    lane->history = lane->history << 8 | byte;
    lane->position++;
    uint32_t cls = char_class(byte);
    lane->class_history = (lane->class_history << 3 | cls) & 0xffffff;
    if (lane->position - lane->line_start == 1)
        lane->first_byte = byte;
    uint32_t letter = byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
    if ((letter >= 'a' && letter <= 'z') || byte >= 128) {
        lane->word[0] = (lane->word[0] + letter) * 0x2F0B4C47u;
        lane->word[0] ^= lane->word[0] >> 13;
    } else if (lane->word[0]) {
        lane->word[3] = lane->word[2];
        lane->word[2] = lane->word[1];
        lane->word[1] = lane->word[0];
        lane->word[0] = 0;
    }
    int alnum = cls == 1 || cls == 2 || cls == 3 || cls == 7;
    if (byte == '\n') {
        lane->above_start = lane->line_start;
        lane->line_start = lane->position;
        lane->n_above_fields = lane->field < MAX_FIELDS ? lane->field + 1 : MAX_FIELDS;
        lane->parity ^= 1;
        lane->field = 0;
        lane->field_hash = 0;
        lane->field_start = lane->position;
        lane->field_starts[lane->parity][0] = lane->position;
    } else if (!alnum) {
        lane->field++;
        lane->field_hash = hash2(byte, 1);
        lane->field_start = lane->position;
        if (lane->field < MAX_FIELDS)
            lane->field_starts[lane->parity][lane->field] = lane->position;
    } else {
        lane->field_hash = hash2(lane->field_hash, byte);
    }
}

#endif
