/* addresses.c - machine code says how far it is to the function that it calls: another number at each call.  Written as
   where the function is, it is the same number each time (FORMAT 4.9). */
#include <stdlib.h>

#include "addresses.h"
#include "lmz.h"

#define SEEN_LOG 14

/* --- x86 ---------------------------------------------------------------------------------------------------------- */

#define IS_BRANCH(code) ((code) == 0xE8 || (code) == 0xE9) /* call, jmp */
#define IS_RELATIVE(modrm) (((modrm) & 0xC7) == 5) /* to the next instruction, in 64-bit code */

typedef struct {
    size_t start;  /* bytes before the operand, 0: there is none */
    size_t behind; /* bytes of the instruction behind it */
    int is_branch;
} operand;

/* Return where the operand of an instruction is that may begin at `at`, of which `left` bytes are there. */
static inline operand find_operand(const uint8_t *at, size_t left, int machine)
{
    const operand none = {0, 0, 0};
    operand found = none;
    if (left < 5)
        return none;
    const uint8_t code = at[0], next = at[1];
    if (IS_BRANCH(code))
        found = (operand){1, 0, 1};
    else if (code == 0x0F && (next & 0xF0) == 0x80) /* jcc */
        found = (operand){2, 0, 1};
    else if (machine == LMZ_X86)
        return none;
    /* Behind a branch the third byte is its operand, which may be converted. */
    else if (code == 0x0F && !IS_BRANCH(next) && IS_RELATIVE(at[2])) /* movups, movzx ... */
        found.start = 3;
    else if (!IS_RELATIVE(next))
        return none;
    else if ((code >= 0x84 && code <= 0x8D) || code == 0xFF) /* mov, lea, test ..., call, push */
        found.start = 2;
    else if (code == 0x80 || code == 0x83 || code == 0xC6) /* an immediate byte follows: cmp, mov */
        found = (operand){2, 1, 0};
    else if (code == 0x81 || code == 0xC7) /* four bytes of one */
        found = (operand){2, 4, 0};
    return found.start + 4 <= left ? found : none;
}

/* Find the next operand from *i on, and have *i behind it; return 0 at the end.  Its last byte is 00 or FF, and one of
   the two when it is converted.  Where it is another byte, nothing before that is converted, so that whoever converts
   back finds the same. */
static inline int next_operand(const uint8_t *bytes, size_t size, size_t *i, int machine, operand *found)
{
    while (*i < size) {
        *found = find_operand(bytes + *i, size - *i, machine);
        if (!found->start) {
            ++*i;
            continue;
        }
        *i += found->start + 3;
        if ((uint8_t)(bytes[*i] + 1) <= 1) {
            ++*i;
            return 1;
        }
    }
    return 0;
}

static inline uint32_t get_operand(const uint8_t *x)
{
    return x[0] | (uint32_t)x[1] << 8 | (uint32_t)x[2] << 16;
}

static void convert_x86(uint8_t *bytes, size_t size, size_t place, int machine, int direction)
{
    operand found;
    for (size_t i = 0; next_operand(bytes, size, &i, machine, &found);) {
        uint8_t *x = bytes + i - 4;
        const uint32_t next = (uint32_t)(place + i + found.behind), sign = (uint32_t)(x[3] & 1) << 24;
        uint32_t value;
        if (direction == ADDRESSES_WRITE) {
            value = (sign | get_operand(x)) + next;
            x[0] = (uint8_t)(value >> 16);
            x[1] = (uint8_t)(value >> 8);
            x[2] = (uint8_t)value;
        } else {
            value = (sign | x[2] | (uint32_t)x[1] << 8 | (uint32_t)x[0] << 16) - next;
            x[0] = (uint8_t)value;
            x[1] = (uint8_t)(value >> 8);
            x[2] = (uint8_t)(value >> 16);
        }
        x[3] = value >> 24 & 1 ? 0xFF : 0;
    }
}

/* --- arm64 -------------------------------------------------------------------------------------------------------- */

#define IS_BL(word) ((word) >> 26 == 0x25)
#define IS_ADRP(word) (((word) & 0x9F000000) == 0x90000000)

static inline uint32_t get_word(const uint8_t *x)
{
    return x[0] | (uint32_t)x[1] << 8 | (uint32_t)x[2] << 16 | (uint32_t)x[3] << 24;
}

static inline void put_word(uint8_t *x, uint32_t word)
{
    for (int k = 0; k < 4; k++)
        x[k] = (uint8_t)(word >> 8 * k);
}

/* The 21 bits of pages of an ADRP stand in two pieces. */
static inline uint32_t get_pages(uint32_t word) { return (word >> 29 & 3) | (word >> 3 & 0x1FFFFC); }

static inline uint32_t with_pages(uint32_t word, uint32_t pages)
{
    return (word & 0x9F00001F) | (pages & 3) << 29 | (pages & 0x1FFFFC) << 3;
}

static inline size_t first_word(size_t place) { return (0 - place) & 3; }

static void convert_arm64(uint8_t *bytes, size_t size, size_t place, int direction)
{
    const uint32_t factor = direction == ADDRESSES_WRITE ? 1 : UINT32_MAX; /* -1 */
    for (size_t i = first_word(place); i + 4 <= size; i += 4) {
        const uint32_t word = get_word(bytes + i), at = (uint32_t)(place + i);
        if (IS_BL(word))
            put_word(bytes + i, (word & 0xFC000000) | ((word + factor * (at >> 2)) & 0x3FFFFFF));
        else if (IS_ADRP(word))
            put_word(bytes + i, with_pages(word, get_pages(word) + factor * (at >> 12)));
    }
}

/* --- any ---------------------------------------------------------------------------------------------------------- */

void addresses_convert(uint8_t *bytes, size_t size, size_t place, int machine, int direction)
{
    if (machine == LMZ_ARM64)
        convert_arm64(bytes, size, place, direction);
    else if (machine)
        convert_x86(bytes, size, place, machine, direction);
}

int lmz_addresses_write(uint8_t *bytes, size_t size, int machine)
{
    if (size > LMZ_MAX_RAW_SIZE || machine < LMZ_X86 || machine > LMZ_ARM64)
        return LMZ_E_ARGUMENT;
    addresses_convert(bytes, size, 0, machine, ADDRESSES_WRITE);
    return LMZ_DONE;
}

/* --- what a block holds ------------------------------------------------------------------------------------------- */

/* Numbers of both ways to write operands of one kind, by their hash; the last one of each. */
typedef struct {
    uint32_t distances[1 << SEEN_LOG], addresses[1 << SEEN_LOG];
} seen;

static uint32_t is_again(uint32_t *last, uint32_t value)
{
    uint32_t *slot = last + (value * 0x9E3779B1u >> (32 - SEEN_LOG));
    const uint32_t again = *slot == value + 1;
    *slot = value + 1; /* 0: none */
    return again;
}

static void count(seen *s, uint32_t *repeats, uint32_t distance, uint32_t address)
{
    repeats[0] += is_again(s->distances, distance);
    repeats[1] += is_again(s->addresses, address);
}

static void count_x86(const uint8_t *raw, size_t size, seen *branches, seen *data, uint32_t *repeats)
{
    operand found;
    for (size_t i = 0; next_operand(raw, size, &i, LMZ_X86_64, &found);) {
        const uint32_t distance = get_operand(raw + i - 4), address = distance + (uint32_t)(i + found.behind);
        const int is_branch = found.is_branch;
        count(is_branch ? branches : data, repeats + (is_branch ? 0 : 2), distance, address & 0xFFFFFF);
    }
}

int lmz_addresses_count(const uint8_t *raw, size_t size, uint32_t repeats[6])
{
    seen *s = calloc(3, sizeof *s);
    for (int k = 0; k < 6; k++)
        repeats[k] = 0;
    if (!s)
        return LMZ_E_MEMORY;
    count_x86(raw, size, s, s + 1, repeats);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        const uint32_t word = get_word(raw + i);
        if (IS_BL(word))
            count(s + 2, repeats + 4, word & 0x3FFFFFF, (word + (uint32_t)(i >> 2)) & 0x3FFFFFF);
    }
    free(s);
    return LMZ_DONE;
}
