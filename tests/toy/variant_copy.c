/* variant_copy.c - the loop of blocks and the steps of experts for any processor, under another name. */
#define VARIANT(function) function##_copy
#include "block_loop.inc"
#include "bytelm_step.inc"
#include "llama_step.inc"
