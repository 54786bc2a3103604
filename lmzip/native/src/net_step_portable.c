/* The steps of nets for any processor. */
#define NET_PART(part) net_##part##_portable
#include "net_step.h"
#define TRANSFORMER_STEP transformer_step_portable
#include "transformer_step.h"
