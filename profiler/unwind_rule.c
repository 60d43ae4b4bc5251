/* Reads call frame information: the index in .eh_frame_hdr, CIEs, FDEs and their instructions (DWARF 5 section 6.4, LSB
 * 5.0 for .eh_frame). Only what concerns the CFA, rbp and the return address is followed. See the header. */
#include "profiler/unwind_rule.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

enum { REGISTER_BP = 6, REGISTER_SP = 7, REGISTER_RA = 16, REMEMBERED_MAX = 8 };

/* ---- bytes ----------------------------------------------------------------------------------------------------------- */

struct cursor {
  const uint8_t *at, *end;
  bool bad; /* ran over the end, or met something unknown */
};

static uint64_t take(struct cursor *c, size_t size) {
  uint64_t value = 0;
  if (!c->at || (size_t)(c->end - c->at) < size) {
    c->bad = true;
    c->at = c->end;
    return 0;
  }
  memcpy(&value, c->at, size);
  c->at += size;
  return value;
}

static uint64_t take_uleb(struct cursor *c) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    uint8_t byte = (uint8_t)take(c, 1);
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      return value;
    }
  }
  c->bad = true;
  return 0;
}

static int64_t take_sleb(struct cursor *c) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64;) {
    uint8_t byte = (uint8_t)take(c, 1);
    value |= (uint64_t)(byte & 0x7f) << shift;
    shift += 7;
    if (!(byte & 0x80)) {
      return (int64_t)(byte & 0x40 && shift < 64 ? value | ~UINT64_C(0) << shift : value);
    }
  }
  c->bad = true;
  return 0;
}

/* A pointer in one of the encodings (DW_EH_PE_*) that linkers make; `base` is for datarel ones. */
static uint64_t take_pointer(struct cursor *c, uint8_t encoding, uint64_t base) {
  uint64_t origin = (encoding & 0x70) == 0x10 ? (uintptr_t)c->at : (encoding & 0x70) == 0x30 ? base : 0;
  switch (encoding & 0x0f) {
  case 0x00: /* absptr */
  case 0x04: /* udata8 */
  case 0x0c: /* sdata8 */
    return origin + take(c, 8);
  case 0x03: /* udata4 */
    return origin + take(c, 4);
  case 0x0b: /* sdata4 */
    return origin + (uint64_t)(int64_t)(int32_t)take(c, 4);
  default:
    c->bad = true;
    return 0;
  }
}

/* ---- finding the FDE --------------------------------------------------------------------------------------------------- */

/* The FDE that the module's sorted index gives for pc; NULL if there is none, or no such index. */
static const uint8_t *find_fde(const uint8_t *index, uint64_t pc) {
  uint64_t base = (uintptr_t)index;
  struct cursor c = {.at = index, .end = index + 64};
  if (take(&c, 1) != 1) {
    return NULL;
  }
  uint8_t frame_encoding = (uint8_t)take(&c, 1);
  uint8_t count_encoding = (uint8_t)take(&c, 1);
  if (take(&c, 1) != 0x3b) { /* the table: datarel, sdata4 */
    return NULL;
  }
  take_pointer(&c, frame_encoding, base);
  uint64_t count = take_pointer(&c, count_encoding, base);
  if (c.bad || count == 0) {
    return NULL;
  }
  const int32_t *table = (const int32_t *)(const void *)c.at; /* pairs: first address, FDE */
  int64_t wanted = (int64_t)(pc - base);
  uint64_t low = 0;
  for (uint64_t high = count; high - low > 1;) {
    uint64_t middle = low + (high - low) / 2;
    if (table[2 * middle] <= wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return table[2 * low] <= wanted ? index + table[2 * low + 1] : NULL;
}

/* ---- CIE and FDE -------------------------------------------------------------------------------------------------------- */

struct frame_info {
  uint64_t begin, size; /* of the function */
  uint64_t code_align;
  int64_t data_align;
  uint8_t encoding;
  bool is_signal, augmented;
  struct cursor initial, body; /* instructions */
};

static bool read_cie(const uint8_t *at, struct frame_info *info) {
  uint32_t length;
  memcpy(&length, at, sizeof length);
  struct cursor c = {.at = at + 4, .end = at + 4 + length};
  if (length == 0 || length == UINT32_MAX || take(&c, 4) != 0) {
    return false;
  }
  uint64_t version = take(&c, 1);
  const char *augmentation = (const char *)c.at;
  c.at += strlen(augmentation) + 1;
  info->code_align = take_uleb(&c);
  info->data_align = take_sleb(&c);
  uint64_t ra = version == 1 ? take(&c, 1) : take_uleb(&c);
  if (ra != REGISTER_RA || (version != 1 && version != 3)) {
    return false;
  }
  info->augmented = augmentation[0] == 'z';
  const uint8_t *after = NULL;
  if (info->augmented) {
    uint64_t size = take_uleb(&c);
    after = c.at + size;
  } else if (augmentation[0]) {
    return false;
  }
  for (const char *letter = augmentation + info->augmented; *letter; letter++) {
    switch (*letter) {
    case 'R':
      info->encoding = (uint8_t)take(&c, 1);
      break;
    case 'P': {
      uint8_t encoding = (uint8_t)take(&c, 1);
      take_pointer(&c, encoding, 0);
      break;
    }
    case 'L':
      take(&c, 1);
      break;
    case 'S':
      info->is_signal = true;
      break;
    default:
      return false;
    }
  }
  c.at = after ? after : c.at;
  info->initial = c;
  return !c.bad && c.at <= c.end;
}

static bool read_fde(const uint8_t *at, struct frame_info *info) {
  uint32_t length;
  memcpy(&length, at, sizeof length);
  struct cursor c = {.at = at + 4, .end = at + 4 + length};
  if (length == 0 || length == UINT32_MAX) {
    return false;
  }
  const uint8_t *here = c.at;
  uint32_t back = (uint32_t)take(&c, 4);
  if (back == 0 || !read_cie(here - back, info)) {
    return false;
  }
  info->begin = take_pointer(&c, info->encoding, 0);
  info->size = take_pointer(&c, info->encoding & 0x0f, 0);
  if (info->augmented) {
    uint64_t size = take_uleb(&c);
    if (size > (uint64_t)(c.end - c.at)) {
      return false;
    }
    c.at += size;
  }
  info->body = c;
  return !c.bad;
}

/* ---- instructions -------------------------------------------------------------------------------------------------------- */

enum place_kind { PLACE_SAME, PLACE_UNDEFINED, PLACE_AT_CFA, PLACE_AT_REGISTER, PLACE_ODD };

/* Where a register of the caller is kept, or (kind AT_REGISTER, perhaps with deref) what the CFA is. */
struct place {
  enum place_kind kind;
  bool deref;
  uint8_t reg;
  int64_t offset;
};

struct row {
  struct place cfa, bp, ra;
};

struct machine {
  const struct frame_info *info;
  struct row row, initial;
  struct row remembered[REMEMBERED_MAX];
  unsigned depth;
  uint64_t location, wanted;
};

static struct place *place_of(struct machine *m, uint64_t reg, struct place *unused) {
  return reg == REGISTER_BP ? &m->row.bp : reg == REGISTER_RA ? &m->row.ra : unused;
}

/* Of the expressions only "register plus offset", with or without a load, is understood. */
static struct place take_expression(struct cursor *c) {
  uint64_t size = take_uleb(c);
  struct place place = {.kind = PLACE_ODD};
  if (size > (uint64_t)(c->end - c->at)) {
    c->bad = true;
    return place;
  }
  struct cursor e = {.at = c->at, .end = c->at + size};
  c->at += size;
  uint8_t op = (uint8_t)take(&e, 1);
  if (op < 0x70 || op > 0x8f) { /* DW_OP_breg0 to breg31 */
    return place;
  }
  int64_t offset = take_sleb(&e);
  bool deref = e.at < e.end && *e.at == 0x06;
  if (!e.bad && e.at + deref == e.end) {
    place = (struct place){.kind = PLACE_AT_REGISTER, .deref = deref, .reg = (uint8_t)(op - 0x70), .offset = offset};
  }
  return place;
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset) {
  m->row.cfa = (struct place){.kind = PLACE_AT_REGISTER, .reg = (uint8_t)reg, .offset = offset};
}

static void restore(struct machine *m, uint64_t reg) {
  struct place unused;
  *place_of(m, reg, &unused) = reg == REGISTER_BP ? m->initial.bp : m->initial.ra;
}

static void set_offset(struct machine *m, uint64_t reg, int64_t offset) {
  struct place unused;
  *place_of(m, reg, &unused) = (struct place){.kind = PLACE_AT_CFA, .offset = offset};
}

static void set_kind(struct machine *m, uint64_t reg, enum place_kind kind) {
  struct place unused;
  *place_of(m, reg, &unused) = (struct place){.kind = kind};
}

static void remember(struct machine *m, struct cursor *c) {
  if (m->depth == REMEMBERED_MAX) {
    c->bad = true;
    return;
  }
  m->remembered[m->depth++] = m->row;
}

static void recall(struct machine *m, struct cursor *c) {
  if (m->depth == 0) {
    c->bad = true;
    return;
  }
  m->row = m->remembered[--m->depth];
}

/* Instructions about the CFA. False: it is none of them. */
static bool run_cfa(struct machine *m, struct cursor *c, uint8_t op) {
  uint64_t reg;
  switch (op) {
  case 0x0c: /* def_cfa */
    reg = take_uleb(c);
    set_cfa(m, reg, (int64_t)take_uleb(c));
    return true;
  case 0x0d: /* def_cfa_register */
    set_cfa(m, take_uleb(c), m->row.cfa.offset);
    return true;
  case 0x0e: /* def_cfa_offset */
    m->row.cfa.offset = (int64_t)take_uleb(c);
    return true;
  case 0x0f: /* def_cfa_expression */
    m->row.cfa = take_expression(c);
    return true;
  case 0x12: /* def_cfa_sf */
    reg = take_uleb(c);
    set_cfa(m, reg, take_sleb(c) * m->info->data_align);
    return true;
  case 0x13: /* def_cfa_offset_sf */
    m->row.cfa.offset = take_sleb(c) * m->info->data_align;
    return true;
  default:
    return false;
  }
}

/* Instructions about where a register is kept. */
static bool run_register(struct machine *m, struct cursor *c, uint8_t op) {
  uint64_t reg;
  struct place unused;
  switch (op) {
  case 0x05: /* offset_extended */
    reg = take_uleb(c);
    set_offset(m, reg, (int64_t)take_uleb(c) * m->info->data_align);
    return true;
  case 0x06: /* restore_extended */
    restore(m, take_uleb(c));
    return true;
  case 0x07: /* undefined */
    set_kind(m, take_uleb(c), PLACE_UNDEFINED);
    return true;
  case 0x08: /* same_value */
    set_kind(m, take_uleb(c), PLACE_SAME);
    return true;
  case 0x10: /* expression: the register lies at that address */
    reg = take_uleb(c);
    *place_of(m, reg, &unused) = take_expression(c);
    return true;
  case 0x11: /* offset_extended_sf */
    reg = take_uleb(c);
    set_offset(m, reg, take_sleb(c) * m->info->data_align);
    return true;
  case 0x09: /* register, val_offset, val_offset_sf, val_expression: the value is in no memory */
  case 0x14:
  case 0x15:
    set_kind(m, take_uleb(c), PLACE_ODD);
    take_uleb(c);
    return true;
  case 0x16:
    set_kind(m, take_uleb(c), PLACE_ODD);
    take_expression(c);
    return true;
  default:
    return false;
  }
}

static void run_extended(struct machine *m, struct cursor *c, uint8_t op) {
  switch (op) {
  case 0x00: /* nop */
    break;
  case 0x02: /* advance_loc1, 2, 4 */
  case 0x03:
  case 0x04:
    m->location += take(c, (size_t)1 << (op - 2)) * m->info->code_align;
    break;
  case 0x0a:
    remember(m, c);
    break;
  case 0x0b:
    recall(m, c);
    break;
  case 0x2e: /* GNU_args_size */
    take_uleb(c);
    break;
  default:
    if (!run_cfa(m, c, op) && !run_register(m, c, op)) {
      c->bad = true;
    }
  }
}

/* Runs until the row for the wanted address is complete. */
static bool run(struct machine *m, struct cursor c) {
  while (c.at < c.end && !c.bad) {
    uint8_t op = (uint8_t)take(&c, 1);
    switch (op & 0xc0) {
    case 0x40:
      m->location += (uint64_t)(op & 0x3f) * m->info->code_align;
      break;
    case 0x80:
      set_offset(m, op & 0x3f, (int64_t)take_uleb(&c) * m->info->data_align);
      break;
    case 0xc0:
      restore(m, op & 0x3f);
      break;
    default:
      run_extended(m, &c, op);
    }
    if (m->location > m->wanted) {
      break;
    }
  }
  return !c.bad;
}

/* ---- the rule ------------------------------------------------------------------------------------------------------------- */

static unsigned base_of(uint8_t reg) {
  return reg == REGISTER_SP ? UNWIND_BASE_SP : reg == REGISTER_BP ? UNWIND_BASE_BP : UNWIND_BASE_NONE;
}

static unsigned place_base(const struct place *place) {
  return place->kind == PLACE_AT_CFA ? UNWIND_BASE_CFA : base_of(place->reg);
}

static bool is_address(const struct place *place) {
  return place->kind == PLACE_AT_CFA ||
         (place->kind == PLACE_AT_REGISTER && !place->deref && base_of(place->reg) != UNWIND_BASE_NONE);
}

static bool fits(int64_t value, int bits) {
  return value >= -(INT64_C(1) << (bits - 1)) && value < INT64_C(1) << (bits - 1);
}

static struct unwind_rule make_rule(const struct row *row, bool is_signal) {
  const struct unwind_rule odd = {0};
  if (row->ra.kind == PLACE_UNDEFINED) {
    return (struct unwind_rule){.form = UNWIND_RULE_END};
  }
  /* An undefined rbp is one that nobody needs any more. */
  bool bp_same = row->bp.kind == PLACE_SAME || row->bp.kind == PLACE_UNDEFINED;
  if (row->cfa.kind != PLACE_AT_REGISTER || base_of(row->cfa.reg) == UNWIND_BASE_NONE || !is_address(&row->ra) ||
      !(bp_same || is_address(&row->bp)) || !fits(row->cfa.offset, 32) || !fits(row->ra.offset, 9) ||
      row->ra.offset % 8 || (!bp_same && !fits(row->bp.offset, 16))) {
    return odd;
  }
  return (struct unwind_rule){
      .cfa_offset = (int32_t)row->cfa.offset,
      .bp_offset = bp_same ? 0 : (int16_t)row->bp.offset,
      .form = UNWIND_FORM(UNWIND_RULE_STEP, base_of(row->cfa.reg), row->cfa.deref,
                          bp_same ? UNWIND_BASE_NONE : place_base(&row->bp), place_base(&row->ra), is_signal,
                          row->ra.offset),
  };
}

struct unwind_rule unwind_rule_read(uint64_t pc) {
  const struct unwind_rule odd = {0};
  struct dl_find_object object;
  struct frame_info info = {0};
  /* Lock-free, unlike dl_iterate_phdr: a callback of the program's may be waiting for us inside that. */
  if (_dl_find_object((void *)pc, &object) != 0) { // NOLINT(performance-no-int-to-ptr)
    return odd;
  }
  const uint8_t *fde = object.dlfo_eh_frame ? find_fde(object.dlfo_eh_frame, pc) : NULL;
  if (fde && !read_fde(fde, &info)) {
    return odd;
  }
  if (!fde || pc - info.begin >= info.size) {
    return (struct unwind_rule){.form = UNWIND_RULE_NONE};
  }
  struct machine machine = {.info = &info, .location = info.begin, .wanted = UINT64_MAX};
  if (!run(&machine, info.initial)) {
    return odd;
  }
  machine.initial = machine.row;
  machine.location = info.begin;
  machine.wanted = pc;
  return run(&machine, info.body) ? make_rule(&machine.row, info.is_signal) : odd;
}

/* ---- the cache ------------------------------------------------------------------------------------------------------------ */

enum { SLOTS = 1 << UNWIND_SLOTS_LOG, PROBES = 16 };

struct unwind_slot unwind_slots[SLOTS];

static void store(struct unwind_slot *slot, uint64_t key, struct unwind_rule rule) {
  uint64_t unused = 0;
  if (__atomic_compare_exchange_n(&slot->key, &unused, 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    slot->rule = rule;
    __atomic_store_n(&slot->key, key, __ATOMIC_RELEASE);
  }
}

struct unwind_rule unwind_rule_search(uint64_t pc, uint64_t key) {
  size_t first = unwind_slot_of(key);
  for (size_t i = 0; i < PROBES; i++) {
    struct unwind_slot *slot = &unwind_slots[(first + i) % SLOTS];
    uint64_t found = __atomic_load_n(&slot->key, __ATOMIC_ACQUIRE);
    if (found == key) {
      return slot->rule;
    }
    if (found == 0) {
      struct unwind_rule rule = unwind_rule_read(pc);
      store(slot, key, rule);
      return rule;
    }
  }
  return unwind_rule_read(pc); /* the neighbourhood is full */
}
