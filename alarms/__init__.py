"""The alarm core: signals, rule language, rule catalogue, fleet state as columns, engine. Pure; numpy only."""
