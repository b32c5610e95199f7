"""Commands that learn and measure: features, train, crossval, tables, evaluate, failures."""
