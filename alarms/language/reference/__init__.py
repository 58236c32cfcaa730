"""The generated reference of the rule language: entries as data, and `page.page` that makes docs/rule-language.md of them."""
