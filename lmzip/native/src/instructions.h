/* instructions.h - where in an instruction of x86 or x86-64 the next byte stands, and what those before it were
   (ARITHMETIC 7.6).  Lengths are right for what compilers write; behind data and rare codes reading falls into step by
   itself. */
#ifndef LMZ_INSTRUCTIONS_H
#define LMZ_INSTRUCTIONS_H

#include <stdint.h>

enum { AT_OPCODE, AT_SECOND_OPCODE, AT_MODRM, AT_SIB, AT_DISPLACEMENT, AT_IMMEDIATE };
#define N_PAST_INSTRUCTIONS 4
#define SECOND_OPCODES 256 /* what is added to an opcode behind 0F */

typedef struct {
    uint32_t phase, opcode, modrm; /* modrm: and 256 times the SIB byte */
    uint32_t prefixes;             /* the last two of them */
    uint32_t is_narrow, is_wide;   /* behind 66; behind a REX prefix with W */
    uint32_t place;                /* of the next byte, by all of the others: see place_in_instruction */
    uint32_t n_displacement, n_immediate, operand; /* bytes to come, and the last four of this operand */
    uint32_t past[N_PAST_INSTRUCTIONS];            /* opcode + 512 modrm, the last instruction first */
} instruction;

static inline int in_range(uint32_t x, uint32_t first, uint32_t last) { return x - first <= last - first; }

static inline int is_prefix(uint32_t byte, int is_64)
{
    return (byte & 0xe7) == 0x26 || in_range(byte, 0x64, 0x67) || byte == 0xf0 || in_range(byte, 0xf2, 0xf3) ||
           (is_64 && in_range(byte, 0x40, 0x4f));
}

static inline int has_modrm(uint32_t opcode)
{
    const uint32_t low = opcode & 255;
    if (opcode >= SECOND_OPCODES)
        return !(low == 5 || low == 0x0b || in_range(low, 0x30, 0x37) || low == 0x77 || in_range(low, 0x80, 0x8f) ||
                 in_range(low, 0xa0, 0xa2) || in_range(low, 0xa8, 0xaa) || in_range(low, 0xc8, 0xcf));
    if (low < 0x40)
        return (low & 7) < 4;
    return in_range(low, 0x62, 0x63) || low == 0x69 || low == 0x6b || in_range(low, 0x80, 0x8f) ||
           in_range(low, 0xc0, 0xc1) || in_range(low, 0xc4, 0xc7) || in_range(low, 0xd0, 0xd3) ||
           in_range(low, 0xd8, 0xdf) || in_range(low, 0xf6, 0xf7) || low >= 0xfe;
}

static inline uint32_t immediate_size(const instruction *is, int is_64)
{
    const uint32_t opcode = is->opcode, low = opcode & 255, full = is->is_narrow ? 2 : 4,
                   is_test = (is->modrm >> 3 & 7) < 2;
    if (opcode >= SECOND_OPCODES)
        return in_range(low, 0x80, 0x8f) ? 4
                                         : in_range(low, 0x70, 0x73) || low == 0xa4 || low == 0xac || low == 0xba ||
                                               low == 0xc2 || in_range(low, 0xc4, 0xc6);
    if (low < 0x40)
        return (low & 7) == 4 ? 1 : (low & 7) == 5 ? full : 0;
    if (in_range(low, 0xb8, 0xbf))
        return is->is_wide ? 8 : full;
    if (in_range(low, 0xa0, 0xa3))
        return is_64 ? 8 : 4;
    if (in_range(low, 0xf6, 0xf7))
        return !is_test ? 0 : low == 0xf6 ? 1 : full;
    if (in_range(low, 0x68, 0x69) || low == 0x81 || low == 0xa9 || low == 0xc7)
        return full;
    if (in_range(low, 0xe8, 0xe9))
        return 4;
    if (low == 0xc8)
        return 3;
    if (low == 0xc2 || low == 0xca)
        return 2;
    return in_range(low, 0x6a, 0x6b) || in_range(low, 0x70, 0x7f) || low == 0x80 || in_range(low, 0x82, 0x83) ||
           low == 0xa8 || in_range(low, 0xb0, 0xb7) || in_range(low, 0xc0, 0xc1) || low == 0xc6 || low == 0xcd ||
           in_range(low, 0xd4, 0xd5) || in_range(low, 0xe0, 0xe7) || low == 0xeb;
}

/* Go on to what comes behind the opcode, ModRM and SIB bytes, or behind one operand. */
static inline void enter_operand(instruction *is)
{
    is->operand = 0;
    if (is->n_displacement || is->n_immediate) {
        is->phase = is->n_displacement ? AT_DISPLACEMENT : AT_IMMEDIATE;
        return;
    }
    for (int k = N_PAST_INSTRUCTIONS - 1; k > 0; k--)
        is->past[k] = is->past[k - 1];
    is->past[0] = is->opcode + 512 * is->modrm;
    is->phase = AT_OPCODE;
    is->opcode = is->modrm = is->prefixes = is->is_narrow = is->is_wide = 0;
}

static inline void advance_instruction(instruction *is, uint32_t byte, int is_64)
{
    switch (is->phase) {
    case AT_OPCODE:
        if (is_prefix(byte, is_64)) {
            is->prefixes = (is->prefixes << 8 | byte) & 0xffff;
            is->is_narrow |= byte == 0x66;
            is->is_wide |= is_64 && in_range(byte, 0x48, 0x4f);
            return;
        }
        if (byte == 0x0f) {
            is->phase = AT_SECOND_OPCODE;
            return;
        }
        is->opcode = byte;
        break;
    case AT_SECOND_OPCODE:
        if (byte == 0x38 || byte == 0x3a)
            return;
        is->opcode = SECOND_OPCODES + byte;
        break;
    case AT_MODRM:
        is->modrm = byte;
        is->n_displacement = in_range(byte, 0x40, 0x7f) ? 1 : in_range(byte, 0x80, 0xbf) || (byte & 0xc7) == 5 ? 4 : 0;
        is->n_immediate = immediate_size(is, is_64);
        is->phase = AT_SIB;
        if (byte >= 0xc0 || (byte & 7) != 4)
            enter_operand(is);
        return;
    case AT_SIB:
        if (is->modrm < 0x40 && (byte & 7) == 5)
            is->n_displacement = 4;
        is->modrm += 256 * byte;
        enter_operand(is);
        return;
    default:
        is->operand = is->operand << 8 | byte;
        if (is->phase == AT_DISPLACEMENT ? --is->n_displacement : --is->n_immediate)
            return;
        enter_operand(is);
        return;
    }
    is->phase = AT_MODRM;
    if (has_modrm(is->opcode))
        return;
    is->n_immediate = immediate_size(is, is_64);
    enter_operand(is);
}

/* Where the next byte stands by the rest of the state, in 0 .. 63: how many bytes of an operand are to come, and of
   which kind of branch. */
static inline uint32_t place_in_instruction(const instruction *is)
{
    if (is->phase == AT_DISPLACEMENT)
        return 16 + is->n_displacement;
    if (is->phase < AT_IMMEDIATE)
        return is->phase ? is->phase + 1 : is->prefixes != 0;
    const uint32_t opcode = is->opcode;
    const int is_near = in_range(opcode, 0x180, 0x18f), is_short = in_range(opcode, 0x70, 0x7f);
    return 24 + is->n_immediate + (opcode == 0xe8 ? 8 : opcode == 0xe9 ? 16 : is_near ? 24 : is_short ? 32 : 0);
}

static inline void update_instruction(instruction *is, uint32_t byte, int is_64)
{
    advance_instruction(is, byte, is_64);
    is->place = place_in_instruction(is);
}

#endif
