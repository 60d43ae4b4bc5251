/* The SQL of the store's schema, STORE_SCHEMA_VERSION of store.h: tables, then views of them. docs/sqlite-schema.md is its
 * description. Private. */
#ifndef ACTSCOPE_ANALYZERS_STORE_SCHEMA_H
#define ACTSCOPE_ANALYZERS_STORE_SCHEMA_H

extern const char store_tables[], store_views[];

#endif
