/* vocab_trie.c - builds the tree of prefixes, shorter ones first (vocab_trie.h). */
#include "vocab_trie.h"

#include <stdlib.h>
#include <string.h>

/* How many bytes two strings have in common. */
static size_t n_common(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t n = 0;
    while (n < a_size && n < b_size && a[n] == b[n])
        n++;
    return n;
}

/* Check the tokens, fill starts (n + 1) and return the number of their prefixes, 0 if they are no vocabulary. */
static size_t check(const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n, uint32_t *starts)
{
    size_t at = 0, n_nodes = 1, n_single = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t size = sizes[i], before = i ? sizes[i - 1] : 0;
        if (!size || size > n_bytes - at)
            return 0;
        const size_t common = n_common(bytes + at - before, before, bytes + at, size);
        if (i && (common == size || (common < before && bytes[at - before + common] > bytes[at + common])))
            return 0;
        starts[i] = (uint32_t)at;
        n_nodes += size - common;
        n_single += size == 1;
        at += size;
    }
    starts[n] = (uint32_t)at;
    return at == n_bytes && n_single == 256 ? n_nodes : 0;
}

/* Put the children of a prefix of `depth` bytes behind the nodes that are there. */
static void add_children(vocab_trie *v, trie_node *node, size_t depth, const uint8_t *bytes, const uint32_t *starts)
{
    node->is_token = depth && starts[node->first + 1] - starts[node->first] == depth;
    node->children = (uint32_t)v->n_nodes;
    for (uint32_t i = node->first + node->is_token; i < node->end; i++) {
        const uint8_t byte = bytes[starts[i] + depth];
        trie_node *last = &v->nodes[v->n_nodes - 1];
        if (!node->n_children || last->byte != byte) {
            last = &v->nodes[v->n_nodes++];
            *last = (trie_node){.first = i, .byte = byte};
            node->n_children++;
        }
        last->end = i + 1;
    }
}

static const trie_node *find_largest_child(const vocab_trie *v)
{
    const trie_node *children = v->nodes + v->nodes->children, *found = children;
    for (int i = 1; i < v->nodes->n_children; i++)
        found = children[i].end - children[i].first > found->end - found->first ? &children[i] : found;
    return found;
}

int vocab_trie_make(vocab_trie *v, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n)
{
    uint32_t *starts = malloc((n + 1) * sizeof *starts);
    *v = (vocab_trie){.n_tokens = n};
    if (!starts)
        return LMZ_E_MEMORY;
    const size_t n_nodes = n_bytes < UINT32_MAX ? check(bytes, n_bytes, sizes, n, starts) : 0;
    if (n_nodes)
        v->nodes = malloc(n_nodes * sizeof *v->nodes);
    if (v->nodes) {
        v->nodes[0] = (trie_node){.end = (uint32_t)n};
        v->n_nodes = 1;
        size_t depth = 0;
        for (size_t i = 0, deeper = 1; i < v->n_nodes; i++) {
            if (i == deeper) {
                depth++;
                deeper = v->n_nodes;
            }
            add_children(v, &v->nodes[i], depth, bytes, starts);
        }
        v->largest_child = find_largest_child(v);
    }
    free(starts);
    return v->nodes ? LMZ_DONE : n_nodes ? LMZ_E_MEMORY : LMZ_E_ARGUMENT;
}

void vocab_trie_free(vocab_trie *v) { free(v->nodes); }
