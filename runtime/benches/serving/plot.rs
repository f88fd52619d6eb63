//! A plot with both axes logarithmic, as SVG.

use plotters::prelude::*;
use std::path::Path;

/// A line with its name.
pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// Draws lines over one another. What is not above zero has no place on a logarithmic axis and is left out.
pub fn draw(path: &Path, title: &str, x: &str, y: &str, all: &[Series]) {
    let points = || all.iter().flat_map(|series| &series.points).filter(|point| point.1 > 0.0);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(of).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        (low / 1.5)..(high * 1.5)
    };
    let root = SVGBackend::new(path, (860, 520)).into_drawing_area();
    root.fill(&WHITE).expect("a drawing");
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(range(|point| point.0).log_scale(), range(|point| point.1).log_scale())
        .expect("axes");
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x).y_desc(y).light_line_style(WHITE).x_label_formatter(&label).y_label_formatter(&label);
    mesh.draw().expect("a mesh");
    for (index, series) in all.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let shown: Vec<_> = series.points.iter().copied().filter(|point| point.1 > 0.0).collect();
        let line = LineSeries::new(shown, color.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)
            .expect("a line")
            .label(series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .expect("a legend");
    root.present().expect("a file");
}

/// `10` and `0.1`, not `10.0`.
fn label(value: &f64) -> String {
    ((value * 1000.0).round() / 1000.0).to_string()
}
