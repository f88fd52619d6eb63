//! The entry points of a file of JavaScript or TypeScript, and the types that they say they have.
//!
//! By annotations, or by the JSDoc comment before the function. Runs in the child process. Which of them are entry points
//! in the end, the interpreter says.

use super::jsdoc::Doc;
use super::schema::{Named, Names, Writer, key_name};
use crate::deployment::signature::Signature;
use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Argument, ArrowFunctionExpression, AssignmentTarget, BindingPattern, Declaration, ExportDefaultDeclarationKind,
    Expression, FormalParameters, Function, ModuleExportName, ObjectExpression, ObjectPropertyKind, Program, Statement,
    TSType, VariableDeclaration,
};
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan, SourceType};
use serde_json::json;
use std::collections::HashMap;

/// A function of the file.
#[derive(Clone, Copy)]
struct Found<'p, 'a> {
    parameters: Option<&'p FormalParameters<'a>>,
    returns: Option<&'p TSType<'a>>,
    /// Where the statement begins that a comment would stand before.
    at: u32,
}

/// Functions by their names in the file, and by those that they have outside; none for the file's own.
#[derive(Default)]
struct Functions<'p, 'a> {
    own: Vec<(&'p str, Found<'p, 'a>)>,
    exported: Vec<(Option<String>, Found<'p, 'a>)>,
    /// Exports of what is defined elsewhere in the file.
    aliases: Vec<(Option<String>, &'p str)>,
}

/// The types of a file of JavaScript, which has them in comments.
pub fn of_javascript(text: &str) -> Vec<Signature> {
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, preserve_parens: false, ..Default::default() };
    for kind in [SourceType::mjs(), SourceType::cjs().with_script(true)] {
        let parsed = Parser::new(&allocator, text, kind).with_options(options).parse();
        if !parsed.panicked && parsed.diagnostics.is_empty() {
            return of_program(&allocator, allocator.alloc(parsed.program));
        }
    }
    Vec::new()
}

/// The types of a program.
pub fn of_program<'p, 'a>(allocator: &'a Allocator, program: &'p Program<'a>) -> Vec<Signature>
where
    'a: 'p,
{
    let mut functions = Functions::default();
    let mut names = Names::default();
    for statement in &program.body {
        functions.look_at(statement);
        name_types(statement, &mut names);
    }
    let comments: Vec<(u32, Doc)> = program
        .comments
        .iter()
        .filter(|comment| comment.is_jsdoc())
        .map(|comment| (comment.attached_to, Doc::read(comment.content_span().source_text(program.source_text))))
        .collect();
    for (name, text) in comments.iter().flat_map(|(_, doc)| &doc.definitions) {
        let declared: Option<&'a Statement<'a>> = declare(allocator, name, text);
        if let Some(Statement::TSTypeAliasDeclaration(alias)) = declared {
            names.entry(alias.id.name.as_str()).or_insert(Named::Alias(alias));
        }
    }
    let docs: HashMap<u32, &Doc> = comments.iter().map(|(at, doc)| (*at, doc)).collect();
    let written = functions.all().into_iter().filter_map(|(entry, found)| {
        let (input, output) = signature(allocator, &names, &found, docs.get(&found.at).copied())?;
        Some(Signature { entry, input, output })
    });
    Signature::within_bounds(written.collect())
}

/// `type name = text;`, parsed; nothing where that is none.
fn declare<'a>(allocator: &'a Allocator, name: &str, text: &str) -> Option<&'a Statement<'a>> {
    let source = allocator.alloc_str(&format!("type {name} = {text};"));
    let parsed = Parser::new(allocator, source, SourceType::ts()).parse();
    let is_sound = !parsed.panicked && parsed.diagnostics.is_empty() && parsed.program.body.len() == 1;
    if is_sound { allocator.alloc(parsed.program).body.first() } else { None }
}

fn signature<'p, 'a: 'p>(
    allocator: &'a Allocator,
    names: &Names<'p, 'a>,
    found: &Found<'p, 'a>,
    doc: Option<&Doc>,
) -> Option<(serde_json::Value, serde_json::Value)> {
    let first = found.parameters.and_then(|parameters| parameters.items.first());
    let annotation = first.and_then(|first| first.type_annotation.as_deref()).map(|it| &it.type_annotation);
    let described = |text: Option<String>| match declare(allocator, "Described", &text?)? {
        Statement::TSTypeAliasDeclaration(alias) => Some(&alias.type_annotation),
        _ => None,
    };
    let documented = || {
        let doc = doc?;
        let name = match first.map(|first| &first.pattern) {
            Some(BindingPattern::BindingIdentifier(identifier)) => Some(identifier.name.as_str()),
            _ => None,
        };
        let is_it = |name: &str| doc.parameters.iter().find(|parameter| parameter.name == name);
        let parameter =
            name.and_then(is_it).or_else(|| doc.parameters.first().filter(|_| name.is_none() && first.is_some()));
        described(parameter.map(super::jsdoc::Field::typescript))
    };
    let input = annotation.or_else(documented);
    let output = found.returns.or_else(|| described(doc?.returns.clone()));
    if input.is_none() && output.is_none() {
        return None;
    }
    let input = input.map_or(json!({}), |kind| Writer::write(names, kind));
    let output = output.map_or(json!({}), |kind| Writer::write_result(names, kind));
    Some((input, output))
}

fn name_types<'p, 'a>(statement: &'p Statement<'a>, names: &mut Names<'p, 'a>) {
    let declaration = match statement {
        Statement::ExportDeclaration(export) => Some(&export.declaration),
        other => other.as_declaration(),
    };
    match declaration {
        Some(Declaration::TSTypeAliasDeclaration(alias)) => {
            names.insert(alias.id.name.as_str(), Named::Alias(alias));
        }
        Some(Declaration::TSInterfaceDeclaration(interface)) => {
            let name = interface.id.name.as_str();
            match names.get_mut(name) {
                Some(Named::Interface(parts)) => parts.push(interface),
                _ => drop(names.insert(name, Named::Interface(vec![interface]))),
            }
        }
        Some(Declaration::TSEnumDeclaration(declaration)) => {
            names.insert(declaration.id.name.as_str(), Named::Enum(declaration));
        }
        _ => {}
    }
}

impl<'p, 'a> Functions<'p, 'a> {
    /// Every function that may be called from outside, each once. A file that exports nothing is what it declares.
    fn all(self) -> Vec<(Option<String>, Found<'p, 'a>)> {
        let Self { own, mut exported, aliases } = self;
        for (name, local) in aliases {
            exported.extend(own.iter().find(|(own, _)| *own == local).map(|(_, found)| (name, *found)));
        }
        if exported.is_empty() {
            exported = own.into_iter().map(|(name, found)| (Some(name.to_owned()), found)).collect();
        }
        exported
    }

    fn look_at(&mut self, statement: &'p Statement<'a>) {
        let at = statement.span().start;
        match statement {
            Statement::ExportDeclaration(export) => {
                for (name, found) in declared(&export.declaration, at) {
                    self.exported.push((Some(name.to_owned()), found));
                    self.own.push((name, found));
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    if let ModuleExportName::IdentifierReference(local) = &specifier.local {
                        let name = specifier.exported.name();
                        let name = (name != "default").then(|| name.to_string());
                        self.aliases.push((name, local.name.as_str()));
                    }
                }
            }
            Statement::ExportDefaultDeclaration(export) => match &export.declaration {
                ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                    self.exported.push((None, of_function(function, at)));
                }
                other => {
                    if let Some(expression) = other.as_expression() {
                        self.export(None, expression, at);
                    }
                }
            },
            Statement::TSExportAssignment(export) => self.export(None, &export.expression, at),
            Statement::ExpressionStatement(statement) => match &statement.expression {
                Expression::AssignmentExpression(assignment) => {
                    if let Some(name) = exported_name(&assignment.left) {
                        self.export(name, &assignment.right, at);
                    }
                }
                expression @ (Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)) => {
                    self.export(None, expression, at);
                }
                _ => {}
            },
            other => {
                if let Some(declaration) = other.as_declaration() {
                    self.own.extend(declared(declaration, at));
                }
            }
        }
    }

    /// An expression that is exported: a function, the name of one, or an object of functions.
    fn export(&mut self, name: Option<String>, expression: &'p Expression<'a>, at: u32) {
        match expression {
            Expression::Identifier(identifier) => self.aliases.push((name, identifier.name.as_str())),
            Expression::ObjectExpression(object) if name.is_none() => self.export_object(object),
            expression => self.exported.extend(of_expression(expression, at).map(|found| (name, found))),
        }
    }

    fn export_object(&mut self, object: &'p ObjectExpression<'a>) {
        for property in &object.properties {
            if let ObjectPropertyKind::ObjectProperty(property) = property
                && let Some(name) = key_name(&property.key)
            {
                self.export(Some(name), &property.value, property.span.start);
            }
        }
    }
}

/// The functions that a declaration gives names to.
fn declared<'p, 'a>(declaration: &'p Declaration<'a>, at: u32) -> Vec<(&'p str, Found<'p, 'a>)> {
    match declaration {
        Declaration::FunctionDeclaration(function) => {
            function.id.iter().map(|id| (id.name.as_str(), of_function(function, at))).collect()
        }
        Declaration::VariableDeclaration(variables) => of_variables(variables, at),
        _ => Vec::new(),
    }
}

fn of_variables<'p, 'a>(variables: &'p VariableDeclaration<'a>, at: u32) -> Vec<(&'p str, Found<'p, 'a>)> {
    let one = |variable: &'p oxc::ast::ast::VariableDeclarator<'a>| {
        let BindingPattern::BindingIdentifier(id) = &variable.id else { return None };
        let mut found = of_expression(variable.init.as_ref()?, at)?;
        if let Some(TSType::TSFunctionType(kind)) = variable.type_annotation.as_deref().map(|it| &it.type_annotation) {
            found.parameters = Some(&kind.params);
            found.returns = Some(&kind.return_type.type_annotation);
        }
        Some((id.name.as_str(), found))
    };
    variables.declarations.iter().filter_map(one).collect()
}

fn of_expression<'p, 'a>(expression: &'p Expression<'a>, at: u32) -> Option<Found<'p, 'a>> {
    match expression {
        Expression::ArrowFunctionExpression(arrow) => Some(of_arrow(arrow, at)),
        Expression::FunctionExpression(function) => Some(of_function(function, at)),
        Expression::TSAsExpression(inner) => of_expression(&inner.expression, at),
        Expression::TSSatisfiesExpression(inner) => of_expression(&inner.expression, at),
        Expression::ParenthesizedExpression(inner) => of_expression(&inner.expression, at),
        // What wraps a handler takes and gives the same, as far as anyone can tell.
        Expression::CallExpression(call) => match call.arguments.first().and_then(Argument::as_expression)? {
            Expression::ArrowFunctionExpression(arrow) if call.arguments.len() == 1 => Some(of_arrow(arrow, at)),
            _ => None,
        },
        _ => None,
    }
}

fn of_arrow<'p, 'a>(arrow: &'p ArrowFunctionExpression<'a>, at: u32) -> Found<'p, 'a> {
    let returns = arrow.return_type.as_deref().map(|annotation| &annotation.type_annotation);
    Found { parameters: Some(&arrow.params), returns, at }
}

fn of_function<'p, 'a>(function: &'p Function<'a>, at: u32) -> Found<'p, 'a> {
    let returns = function.return_type.as_deref().map(|annotation| &annotation.type_annotation);
    Found { parameters: Some(&function.params), returns, at }
}

/// The name that an assignment exports by: `exports.name`, `module.exports.name`, or none for `module.exports`.
fn exported_name(target: &AssignmentTarget<'_>) -> Option<Option<String>> {
    let AssignmentTarget::StaticMemberExpression(member) = target else { return None };
    let name = member.property.name.as_str();
    match &member.object {
        Expression::Identifier(object) if object.name == "module" && name == "exports" => Some(None),
        Expression::Identifier(object) if object.name == "exports" => Some(Some(name.to_owned())),
        Expression::StaticMemberExpression(inner) => match &inner.object {
            Expression::Identifier(object) if object.name == "module" && inner.property.name == "exports" => {
                Some(Some(name.to_owned()))
            }
            _ => None,
        },
        _ => None,
    }
}
