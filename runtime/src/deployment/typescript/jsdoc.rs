//! JSDoc comments: their tags, and the types of TypeScript that stand for them.
//!
//! A comment says by `@param` and `@returns` what a function takes and gives, and by `@typedef` and `@property` what a name
//! means. Its own ways to write a type are put into TypeScript's; what is still none is found out by whoever parses it.

/// What a comment says.
#[derive(Debug, Default)]
pub struct Doc {
    pub parameters: Vec<Field>,
    /// The type of what is given back.
    pub returns: Option<String>,
    /// Names and their types.
    pub definitions: Vec<(String, String)>,
}

/// A parameter or a property, with those of its own that have been named.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    kind: String,
    pub is_optional: bool,
    /// Whether what has been named of it is of its elements.
    is_of_elements: bool,
    fields: Vec<Field>,
}

impl Doc {
    /// Reads a comment without its delimiters.
    pub fn read(comment: &str) -> Self {
        let lines = comment.lines().map(|line| line.trim_start().strip_prefix('*').unwrap_or(line).trim());
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let mut doc = Self::default();
        // The name that is being defined, as a field with properties.
        let mut defined: Option<Field> = None;
        for tag in tags(&text) {
            let (word, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            let rest = rest.trim_start();
            let (kind, rest) = braced(rest);
            match word {
                "param" | "arg" | "argument" => add(&mut doc.parameters, kind, rest),
                "returns" | "return" => doc.returns = kind.map(as_typescript),
                "typedef" => {
                    doc.define(defined.take());
                    let name = rest.split_whitespace().next().unwrap_or("");
                    defined = Some(Field::new(name, kind.unwrap_or("object"), false));
                }
                "property" | "prop" => {
                    if let Some(defined) = &mut defined {
                        add(&mut defined.fields, kind, rest);
                    }
                }
                _ => {}
            }
        }
        doc.define(defined);
        doc
    }

    fn define(&mut self, defined: Option<Field>) {
        if let Some(defined) = defined.filter(|defined| is_name(&defined.name)) {
            self.definitions.push((defined.name.clone(), defined.typescript()));
        }
    }
}

impl Field {
    fn new(name: &str, kind: &str, is_optional: bool) -> Self {
        let (name, kind) = (name.to_owned(), as_typescript(kind));
        Self { name, kind, is_optional, is_of_elements: false, fields: Vec::new() }
    }

    /// Its type, as TypeScript has it.
    pub fn typescript(&self) -> String {
        if self.fields.is_empty() {
            return self.kind.clone();
        }
        let mut text = String::from("{");
        for field in &self.fields {
            let mark = if field.is_optional { "?" } else { "" };
            text.push_str(&format!(" {:?}{mark}: {};", field.name, field.typescript()));
        }
        text.push_str(" }");
        let is_array = self.is_of_elements || self.kind.ends_with("[]") || self.kind.starts_with("Array");
        if is_array { format!("({text})[]") } else { text }
    }
}

/// Adds a field, or one of a field that is there: `order.items[].price`.
fn add(fields: &mut Vec<Field>, kind: Option<&str>, rest: &str) {
    let (path, is_optional) = match rest.strip_prefix('[') {
        Some(rest) => {
            let inside = rest.split_once(']').map_or(rest, |(inside, _)| inside);
            // `[items[].price]`: the bracket that was met is one of the path's.
            let inside =
                if inside.ends_with('[') { rest.rsplit_once(']').map_or(rest, |(inside, _)| inside) } else { inside };
            (inside.split('=').next().unwrap_or("").trim(), true)
        }
        None => (rest.split_whitespace().next().unwrap_or(""), false),
    };
    let kind = kind.unwrap_or("*");
    let (kind, is_optional) = match kind.trim().strip_suffix('=') {
        Some(kind) => (kind, true),
        None => (kind, is_optional),
    };
    let mut steps: Vec<&str> = path.split('.').collect();
    let Some(name) = steps.pop().filter(|name| is_name(name.trim_end_matches("[]"))) else { return };
    let mut target = fields;
    for step in steps {
        let own = step.trim_end_matches("[]");
        let Some(above) = target.iter_mut().find(|field| field.name == own) else { return };
        above.is_of_elements |= own.len() < step.len();
        target = &mut above.fields;
    }
    target.push(Field::new(name, kind, is_optional));
}

/// The texts of the tags, without their `@`: those that begin a line, as a `@` elsewhere is part of a sentence.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let at = |text: &str| if text.starts_with('@') { Some(0) } else { text.find("\n@").map(|at| at + 1) };
    let mut rest = at(text).map(|at| &text[at + 1..]);
    std::iter::from_fn(move || {
        let current = rest?;
        let end = current.find("\n@");
        rest = end.map(|end| &current[end + 2..]);
        Some(current[..end.unwrap_or(current.len())].trim())
    })
}

/// What stands in braces at the beginning, and what stands behind them.
fn braced(text: &str) -> (Option<&str>, &str) {
    let Some(inside) = text.strip_prefix('{') else { return (None, text) };
    let mut depth = 1;
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (Some(inside[..at].trim()), inside[at + 1..].trim_start());
        }
    }
    (None, text)
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
        && characters.all(|other| other.is_alphanumeric() || other == '_' || other == '$')
}

/// A type as TypeScript writes it.
fn as_typescript(kind: &str) -> String {
    let kind = kind.trim();
    if kind.is_empty() || kind == "*" || kind == "?" {
        return "any".into();
    }
    if let Some(inner) = kind.strip_prefix('?') {
        return format!("{} | null", as_typescript(inner));
    }
    if let Some(inner) = kind.strip_prefix("...") {
        return format!("({})[]", as_typescript(inner));
    }
    let kind = kind.strip_prefix('!').unwrap_or(kind).replace(".<", "<");
    match kind.strip_prefix("object<") {
        Some(rest) => format!("Record<{rest}"),
        None => kind,
    }
}
