/* templates.h - the shape of a line, and what stood in the same field the last time: of the last line that began alike,
   and of the line above (ARITHMETIC 7.3). */
#ifndef LMZ_TEMPLATES_H
#define LMZ_TEMPLATES_H

#include "hashing.h"
#include "internal.h"
#include "match.h"

#define WITH_DIGITS 1 /* the hash of every token that has a digit */

enum { SAME, ONE_MORE, MORE, ONE_LESS, LESS, OTHER };

static inline uint32_t peer_entry(const struct lmz_coder *c, uint32_t hash)
{
    return (hash * 0x9E3779B1u) >> 16 & c->ngram.peer_mask;
}

/* A byte that is no letter or digit has ended a token: that belongs to the line's shape. */
static inline void update_shape(lmz_lane *lane, uint32_t byte)
{
    lane->shape = hash3(lane->shape, lane->token, byte);
    lane->token = 0;
    if (byte == '\n') {
        lane->last_shape = lane->shape;
        lane->shape = 0;
    }
}

/* The last field that was not empty is the key of what comes behind such a byte in its line. */
static inline void update_key(lmz_lane *lane, uint32_t byte)
{
    if (lane->position - lane->field_start > 1)
        lane->name = lane->field_hash;
    if (byte == '\n')
        lane->key = 0;
    else if (byte == ':' || byte == '=' || byte == '>' || byte == '(' || byte == '[')
        lane->key = lane->name;
}

/* Find what the next field is like. */
static inline void update_peers(struct lmz_coder *c, lmz_lane *lane)
{
    const uint32_t number = (uint32_t)(lane - c->lanes), hash[2] = {lane->shape, lane->field};
    for (int k = 0; k < 2; k++) {
        uint32_t *entry = &c->ngram.peer_table[k][peer_entry(c, hash2(hash[k], number))];
        if (UNLIKELY(c->undo.is_on))
            note_write(c, entry);
        lane->peer[k] = *entry;
        *entry = lane->position;
        lane->last_relation[k] = lane->relation[k];
        lane->relation[k] = SAME;
    }
}

static inline void update_token(lmz_lane *lane, uint32_t byte, int is_digit)
{
    if (is_digit)
        lane->token = WITH_DIGITS;
    else if (lane->token != WITH_DIGITS)
        lane->token = hash2(lane->token, byte);
}

/* How a field that was `relation` to its peer is to it with a byte more, the peer's being `above`. */
static inline uint32_t relation_with(uint32_t relation, uint32_t byte, uint32_t above)
{
    const int are_digits = byte - '0' < 10 && above - '0' < 10, more = (int)byte - (int)above;
    switch (relation) {
    case SAME:
        if (!more || !are_digits)
            return more ? OTHER : SAME;
        return more == 1 ? ONE_MORE : more > 0 ? MORE : more == -1 ? ONE_LESS : LESS;
    case ONE_MORE: return are_digits && more == -9 ? ONE_MORE : MORE;
    case ONE_LESS: return are_digits && more == 9 ? ONE_LESS : LESS;
    default: return relation;
    }
}

static inline void update_relations(lmz_lane *lane, uint32_t byte)
{
    for (int k = 0; k < 2; k++)
        lane->relation[k] = relation_with(lane->relation[k], byte, lane->peer_byte[k] & 255);
}

/* Set the bytes of the lane's peers that stand where its next byte will. */
static inline void set_peer_bytes(const struct lmz_coder *c, lmz_lane *lane)
{
    for (int k = 0; k < 2; k++) {
        const uint32_t p = lane->peer[k] + (lane->position - lane->field_start);
        const int is_there = lane->peer[k] && is_known(c, lane, p);
        lane->peer_byte[k] = is_there ? 256u | c->raw[p] : 0;
        lane->peer_next[k] = is_there && is_known(c, lane, p + 1) ? c->raw[p + 1] : 0;
    }
}

#endif
