/* vocabulary.h - tokens as paths of bytes: the tree of all prefixes of a sorted vocabulary (ARITHMETIC 9.10). */
#ifndef LMZ_VOCABULARY_H
#define LMZ_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {             /* a prefix of tokens */
    uint32_t first, end;     /* the tokens that begin with it, itself the first if it is one */
    uint32_t children;       /* the prefixes that are one byte longer stand together from there on, in order of bytes */
    uint16_t n_children;
    uint8_t byte;            /* the last one */
    uint8_t is_token;
} token_node;

typedef struct {
    token_node *nodes; /* the first is the empty prefix; NULL: no vocabulary */
    size_t n_nodes;
    const token_node *busiest; /* of the first bytes that with which most tokens begin */
} vocabulary;

/* Make the tree of n tokens, whose bytes stand end to end.  Return LMZ_DONE; LMZ_E_FULL without memory; LMZ_E_DAMAGED
   where they are not sorted, one is empty or twice there, or a single byte is none of them. */
int vocabulary_make(vocabulary *v, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n);
void vocabulary_free(vocabulary *v);

/* The prefix that is longer by a byte, NULL if there is none. */
static inline const token_node *vocabulary_child(const vocabulary *v, const token_node *node, uint32_t byte)
{
    const token_node *low = v->nodes + node->children, *end = low + node->n_children;
    while (low < end) {
        const token_node *middle = low + (end - low) / 2;
        if (middle->byte == byte)
            return middle;
        if (middle->byte < byte)
            low = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

#endif
