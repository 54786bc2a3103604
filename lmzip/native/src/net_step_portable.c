/* The net's step for any processor. */
#define NET_STEP net_step_portable
#include "net_step.h"
