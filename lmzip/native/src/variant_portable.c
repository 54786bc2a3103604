/* The loop of blocks and the steps of experts for any processor. */
#define VARIANT(function) function##_portable
#include "block_loop.inc"
#include "bytelm_step.inc"
#include "llama_step.inc"
