mod model;
mod single;
