/* Advice into a store and back. */
#include "analyzers/store_advice.h"

#include "analyzers/store_row.h"

#include <stdlib.h>
#include <string.h>

int store_write_advice(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO advice VALUES (?,?,?,?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->advice_count && rc == 0; i++) {
    const struct facts_advice *advice = &facts->advice[i];
    store_put_u64(&row, i);
    store_put_text(&row, advice_names[advice->kind]);
    store_put_u64(&row, advice->bits);
    store_put_text(&row, advice->ops);
    store_put_text(&row, advice->layers);
    store_put_text(&row, advice->site);
    store_put_u64(&row, advice->blocks);
    store_put_u64(&row, advice->bytes);
    store_put_u64(&row, advice->peak_bytes);
    store_put_i64(&row, advice->saving_bytes);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int kind_of(const char *name, enum advice_kind *kind) {
  for (int i = 0; i < ADVICE_KINDS; i++) {
    if (strcmp(advice_names[i], name) == 0) {
      *kind = (enum advice_kind)i;
      return 0;
    }
  }
  return SQLITE_CORRUPT;
}

static int read_row(struct store_row *row, struct facts *facts) {
  struct facts_advice *larger = realloc(facts->advice, (facts->advice_count + 1) * sizeof *larger);
  if (!larger) {
    return SQLITE_NOMEM;
  }
  facts->advice = larger;
  struct facts_advice *advice = &larger[facts->advice_count];
  *advice = (struct facts_advice){.kind = ADVICE_FEW_BITS};
  int rc = kind_of(store_get_text(row), &advice->kind);
  advice->bits = (unsigned)store_get_u64(row);
  advice->ops = store_get_interned(row, facts->strings);
  advice->layers = store_get_interned(row, facts->strings);
  advice->site = store_get_interned(row, facts->strings);
  advice->blocks = store_get_u64(row);
  advice->bytes = store_get_u64(row);
  advice->peak_bytes = store_get_u64(row);
  advice->saving_bytes = store_get_i64(row);
  facts->advice_count++;
  return rc;
}

int store_read_advice(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db,
                 "SELECT kind, bits, ops, layers, site, blocks, bytes, peak_bytes, saving_bytes FROM advice"
                 " ORDER BY position");
  while ((more = store_next_row(&row)) > 0) {
    int rc = read_row(&row, facts);
    row.failed = row.failed ? row.failed : rc;
  }
  int rc = more < 0 ? row.failed : 0;
  store_row_close(&row);
  return rc;
}
