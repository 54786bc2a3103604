/* vocab_trie.h - tokens as paths of bytes: the tree of all prefixes of a sorted vocabulary (TRANSFORMER 12). */
#ifndef LMZ_VOCAB_TRIE_H
#define LMZ_VOCAB_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "lmz.h"

typedef lmz_prefix trie_node;

typedef struct {
    trie_node *nodes; /* the first is the empty prefix; NULL: no vocabulary */
    size_t n_nodes, n_tokens;
    const trie_node *largest_child; /* the first byte with which most tokens begin */
} vocab_trie;

/* Make the tree of n tokens, whose bytes stand end to end.  Return LMZ_DONE; LMZ_E_MEMORY without memory;
   LMZ_E_ARGUMENT where they are not sorted, one is empty or twice there, or a single byte is none of them. */
int vocab_trie_make(vocab_trie *v, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n);
void vocab_trie_free(vocab_trie *v);

/* The prefix that is longer by a byte, NULL if there is none. */
static inline const trie_node *vocab_trie_child(const vocab_trie *v, const trie_node *node, uint32_t byte)
{
    const trie_node *low = v->nodes + node->children, *end = low + node->n_children;
    while (low < end) {
        const trie_node *middle = low + (end - low) / 2;
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
