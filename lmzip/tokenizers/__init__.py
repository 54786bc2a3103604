"""How text becomes tokens: byte-pair tokenizers of others, vocabularies of byte strings, and what cuts text."""
