/* toy_expert.c - an expert for tests/native/test_seam.py: it expects the last byte of a lane once more. */
#include <stdlib.h>

#include "byte_tree.h"
#include "internal.h"

static void predict(struct lmz_coder *c, const column_range *r, int stage)
{
    (void)stage;
    for (int i = r->first; i < r->first + r->n; i++) {
        uint32_t *tree = tree_of(c, i), last = c->columns[i].before & 255;
        for (uint32_t byte = 0; byte < 256; byte++)
            tree[256 + byte] = byte == last ? 1 << 16 : 1;
        sum_tree(tree, last);
    }
}

static void toy_free(lmz_expert *expert) { free(expert); }

static const expert_ops toy_ops = {
    .name = "toy", .unit = LMZ_BYTES, .n_contexts = 1, .prior = PRIOR_OF_BYTES, .predict = predict,
    .free = toy_free};

lmz_expert *lmz_toy_new(void)
{
    lmz_expert *expert = calloc(1, sizeof *expert);
    if (expert) {
        expert->ops = &toy_ops;
        expert->n_stages = 1;
        expert->lanes_at_once = 8;
    }
    return expert;
}
