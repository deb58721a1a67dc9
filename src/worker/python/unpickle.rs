//! Reads Python pickles without running anything. A pickle that names a class or calls something is refused,
//! or only described. Time and memory stay in proportion to [`MAX_PEEK_BYTES`].

use serde_json::{Map, Number, Value};

use crate::worker::location::MAX_PEEK_BYTES;

/// Maximum nesting of lists and mappings.
const MAX_DEPTH: usize = 100;
/// Maximum number of values.
const MAX_VALUES: usize = 1 << 20;

/// Why a pickle was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpickleError {
    /// It is truncated, or not a pickle.
    #[error("not a whole pickle")]
    Broken,
    /// It has something that only Python can create.
    #[error("a pickle of more than plain values")]
    NotPlain,
    /// Its values repeat or nest without end.
    #[error("a pickle of too many or too deeply nested values")]
    TooLarge,
}

/// Which values of a pickle became another type in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Changed {
    /// Bytes became a text, `b'…'`.
    pub(crate) bytes: bool,
    /// A set became a list.
    pub(crate) set: bool,
    /// A tuple became a list, apart from the pickled value itself and its own parts: RQ's call and its arguments.
    pub(crate) tuple: bool,
    /// A number that JSON does not have became a text.
    pub(crate) number: bool,
    /// A key of another type became a text.
    pub(crate) key: bool,
}

/// A value that refers to its parts by index; several values, even itself, may share a part.
enum Node {
    Plain(Value),
    List(Vec<usize>),
    Tuple(Vec<usize>),
    /// Alternating keys and values.
    Dict(Vec<usize>),
    /// A class, or what only Python can create from one, in words.
    Described(String),
}

/// The value of a pickle of protocol 2 or later; tuples and sets become lists.
pub(in crate::worker) fn to_json(pickle: &[u8]) -> Result<Value, UnpickleError> {
    to_json_with_changes(pickle).map(|(value, _)| value)
}

/// Like [`to_json`], and says which values became another type.
pub(in crate::worker) fn to_json_with_changes(
    pickle: &[u8],
) -> Result<(Value, Changed), UnpickleError> {
    Machine { rest: pickle, ..Machine::default() }.load()
}

/// Like [`to_json`], but what only Python can create becomes a text: `ValueError: no such user`.
pub(in crate::worker) fn describe(pickle: &[u8]) -> Result<Value, UnpickleError> {
    Machine { rest: pickle, describes: Some(MAX_PEEK_BYTES), ..Machine::default() }
        .load()
        .map(|(value, _)| value)
}

/// Runs a pickle: opcodes of <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.
#[derive(Default)]
struct Machine<'p> {
    rest: &'p [u8],
    nodes: Vec<Node>,
    stack: Vec<usize>,
    /// Positions of marks on the stack.
    marks: Vec<usize>,
    /// Memoized nodes by number; numbers that were never set are absent.
    memo: Vec<usize>,
    /// About how many more bytes descriptions may take; `None` if nothing is described.
    describes: Option<usize>,
    changed: Changed,
}

/// What is left of the budget while values are built, and what they changed.
struct Building {
    budget: usize,
    changed: Changed,
}

impl Machine<'_> {
    fn load(mut self) -> Result<(Value, Changed), UnpickleError> {
        let root = self.run()?;
        let mut building = Building { budget: MAX_PEEK_BYTES, changed: self.changed };
        Ok((self.value(root, MAX_DEPTH, &mut building)?, building.changed))
    }

    fn run(&mut self) -> Result<usize, UnpickleError> {
        while self.nodes.len() <= MAX_VALUES {
            match self.byte()? {
                0x80 => drop(self.byte()?),
                0x95 => drop(self.number(8)?),
                b'.' => return self.pop(),
                b'N' => self.push(Value::Null),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                b'K' => self.integer(1, false)?,
                b'M' => self.integer(2, false)?,
                b'J' => self.integer(4, true)?,
                0x8a => {
                    let length = self.number(1)?;
                    self.integer(length, true)?;
                }
                b'G' => {
                    let bytes = self.take(8)?.try_into().map_err(|_| UnpickleError::Broken)?;
                    let float = f64::from_be_bytes(bytes);
                    let number = Number::from_f64(float).map(Value::Number);
                    self.changed.number |= number.is_none();
                    self.push(number.unwrap_or_else(|| Value::String(float.to_string())));
                }
                0x8c => self.text(1)?,
                b'X' => self.text(4)?,
                0x8d => self.text(8)?,
                b'C' | b'U' => self.bytes(1)?,
                b'B' | b'T' => self.bytes(4)?,
                b'(' => self.marks.push(self.stack.len()),
                b')' => self.push_node(Node::Tuple(Vec::new())),
                b']' => self.push_node(Node::List(Vec::new())),
                0x8f => {
                    self.changed.set = true;
                    self.push_node(Node::List(Vec::new()));
                }
                b'}' => self.push_node(Node::Dict(Vec::new())),
                b't' => {
                    let items = self.since_mark()?;
                    self.push_node(Node::Tuple(items));
                }
                0x91 => {
                    let items = self.since_mark()?;
                    self.changed.set = true;
                    self.push_node(Node::List(items));
                }
                length @ 0x85..=0x87 => {
                    let length = usize::from(length - 0x84);
                    let from = self.stack.len().checked_sub(length).ok_or(UnpickleError::Broken)?;
                    let items = self.stack.split_off(from);
                    self.push_node(Node::Tuple(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(&[item], false)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.extend(&[key, value], true)?;
                }
                b'e' | 0x90 => {
                    let items = self.since_mark()?;
                    self.extend(&items, false)?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.extend(&items, true)?;
                }
                0x94 => self.memoize(self.memo.len())?,
                b'q' => {
                    let index = self.number(1)?;
                    self.memoize(index)?;
                }
                b'r' => {
                    let index = self.number(4)?;
                    self.memoize(index)?;
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                opcode if self.describes.is_some() => self.describe(opcode)?,
                _ => return Err(UnpickleError::NotPlain),
            }
        }
        Err(UnpickleError::TooLarge)
    }

    /// The opcodes of classes, and of what is created from them.
    fn describe(&mut self, opcode: u8) -> Result<(), UnpickleError> {
        match opcode {
            b'c' => {
                self.line()?;
                let name = self.line()?;
                self.push_node(Node::Described(name));
            }
            0x93 => {
                let name = self.pop()?;
                self.pop()?;
                let Node::Plain(Value::String(name)) = &self.nodes[name] else {
                    return Err(UnpickleError::NotPlain);
                };
                let name = name.clone();
                self.push_node(Node::Described(name));
            }
            b'R' | 0x81 => {
                let (args, class) = (self.pop()?, self.pop()?);
                let text = self.created(class, args)?;
                self.push_node(Node::Described(text));
            }
            // The state of what was created.
            b'b' => drop(self.pop()?),
            _ => return Err(UnpickleError::NotPlain),
        }
        Ok(())
    }

    /// The class and its arguments, as Python shows an exception.
    fn created(&mut self, class: usize, args: usize) -> Result<String, UnpickleError> {
        let Node::Described(class) = &self.nodes[class] else {
            return Err(UnpickleError::NotPlain);
        };
        let budget = self.describes.unwrap_or_default();
        let mut building = Building { budget, changed: Changed::default() };
        let args = self.value(args, MAX_DEPTH, &mut building)?;
        let text = |arg: &Value| arg.as_str().map_or_else(|| arg.to_string(), str::to_owned);
        let args: Vec<_> = args.as_array().into_iter().flatten().map(text).collect();
        let separator = if args.is_empty() { "" } else { ": " };
        let created = format!("{class}{separator}{}", args.join(", "));
        self.describes = Some(building.budget);
        Ok(created)
    }

    fn line(&mut self) -> Result<String, UnpickleError> {
        let length = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(length.ok_or(UnpickleError::Broken)? + 1)?;
        Ok(String::from_utf8_lossy(line).trim_end().to_owned())
    }

    fn pop(&mut self) -> Result<usize, UnpickleError> {
        self.stack.pop().ok_or(UnpickleError::Broken)
    }

    fn byte(&mut self) -> Result<u8, UnpickleError> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn take(&mut self, length: usize) -> Result<&[u8], UnpickleError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(UnpickleError::Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length or an index of this many bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, UnpickleError> {
        let number = little_endian(self.take(bytes)?, false).ok_or(UnpickleError::Broken)?;
        usize::try_from(number).map_err(|_| UnpickleError::Broken)
    }

    fn push(&mut self, value: Value) {
        self.push_node(Node::Plain(value));
    }

    fn push_node(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// An integer of more than 64 bits becomes a string of digits.
    fn integer(&mut self, bytes: usize, is_signed: bool) -> Result<(), UnpickleError> {
        let number = little_endian(self.take(bytes)?, is_signed).ok_or(UnpickleError::NotPlain)?;
        let json = Number::from_i128(number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number);
        self.changed.number |= json.is_string();
        self.push(json);
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), UnpickleError> {
        let length = self.number(length)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| UnpickleError::NotPlain)?;
        let text = Value::String(text.to_owned());
        self.push(text);
        Ok(())
    }

    /// Bytes as Python displays them.
    fn bytes(&mut self, length: usize) -> Result<(), UnpickleError> {
        let length = self.number(length)?;
        let text = format!("b'{}'", self.take(length)?.escape_ascii());
        self.changed.bytes = true;
        self.push(Value::String(text));
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<usize>, UnpickleError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or(UnpickleError::Broken)?))
    }

    /// Adds to the list or mapping on top of the stack.
    fn extend(&mut self, more: &[usize], is_dict: bool) -> Result<(), UnpickleError> {
        let top = *self.stack.last().ok_or(UnpickleError::Broken)?;
        match &mut self.nodes[top] {
            Node::List(items) if !is_dict => items.extend_from_slice(more),
            Node::Dict(items) if is_dict && more.len().is_multiple_of(2) => {
                items.extend_from_slice(more);
            }
            Node::Described(_) => {}
            _ => return Err(UnpickleError::NotPlain),
        }
        Ok(())
    }

    /// Python numbers them consecutively.
    fn memoize(&mut self, index: usize) -> Result<(), UnpickleError> {
        let top = *self.stack.last().ok_or(UnpickleError::Broken)?;
        match index.cmp(&self.memo.len()) {
            std::cmp::Ordering::Less => self.memo[index] = top,
            std::cmp::Ordering::Equal => self.memo.push(top),
            std::cmp::Ordering::Greater => return Err(UnpickleError::NotPlain),
        }
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), UnpickleError> {
        let index = self.number(bytes)?;
        self.stack.push(*self.memo.get(index).ok_or(UnpickleError::Broken)?);
        Ok(())
    }

    /// Builds a value with its parts. Each use of a part costs some of the budget.
    fn value(
        &self,
        node: usize,
        depth: usize,
        building: &mut Building,
    ) -> Result<Value, UnpickleError> {
        let mut pay = |cost: usize| {
            building.budget = building.budget.checked_sub(cost).ok_or(UnpickleError::TooLarge)?;
            Ok(())
        };
        let depth = depth.checked_sub(1).ok_or(UnpickleError::TooLarge)?;
        // About the memory that a value takes.
        pay(64)?;
        match &self.nodes[node] {
            Node::Described(text) => {
                pay(text.len())?;
                Ok(text.as_str().into())
            }
            Node::Plain(value) => {
                pay(value.as_str().map_or(0, str::len))?;
                Ok(value.clone())
            }
            Node::List(items) | Node::Tuple(items) => {
                let is_tuple = matches!(self.nodes[node], Node::Tuple(_));
                // A call of RQ is a tuple that holds a tuple of arguments, which its reader knows.
                building.changed.tuple |= is_tuple && depth + 2 < MAX_DEPTH;
                items.iter().map(|item| self.value(*item, depth, building)).collect()
            }
            Node::Dict(items) => {
                let mut members = Map::new();
                for pair in items.chunks_exact(2) {
                    let key = match self.value(pair[0], depth, building)? {
                        Value::String(text) => text,
                        other => {
                            building.changed.key = true;
                            other.to_string()
                        }
                    };
                    members.insert(key, self.value(pair[1], depth, building)?);
                }
                Ok(Value::Object(members))
            }
        }
    }
}

/// `None` if it has more than 128 bits.
fn little_endian(bytes: &[u8], is_signed: bool) -> Option<i128> {
    let is_negative = is_signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if is_negative { 0xff } else { 0 }; 16];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(whole)).filter(|number| is_signed || *number >= 0)
}

#[cfg(test)]
mod tests;
