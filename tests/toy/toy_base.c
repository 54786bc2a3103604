/* toy_base.c - the memory of the toy base and its initial values. */
#include "toy_base.h"

#include "internal.h"

/* It codes blocks by itself only. */
static int toy_function(const lmz_block_spec *spec, const lmz_expert *expert)
{
    (void)spec;
    return expert ? -1 : 0;
}

static void toy_layout(struct lmz_coder *c) { c->base_state = arena_take(&c->memory, sizeof(toy_state)); }

static void toy_start(struct lmz_coder *c)
{
    toy_state *t = c->base_state;
    for (int i = 0; i < 256; i++)
        t->p[i] = 1 << 15;
}

const base_ops toy_base = {"toy", toy_function, toy_layout, toy_start, NULL, NULL, NULL};
