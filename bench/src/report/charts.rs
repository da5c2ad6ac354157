//! Charts: a figure with its legend, an SVG and a table of its numbers.
//!
//! An SVG has no background, and its text takes the colour of the surrounding text, so that it is readable on light and
//! dark pages.

use crate::engines::EngineName;
use crate::measure::geometric_mean;
use crate::measures::{compile, linear, programs};
use crate::report::page::escaped;
use crate::run::Run;
use plotters::prelude::*;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A group of bars for each category.
struct Bars<'a> {
    title: &'a str,
    unit: &'a str,
    categories: Vec<String>,
    series: Vec<(EngineName, Vec<Option<f64>>)>,
    /// The height of a horizontal line.
    line: Option<f64>,
}

/// All charts for which a run has figures, as HTML.
pub fn all(run: &Run) -> Result<Vec<String>, String> {
    let overview = overview(run)?.map(|svg| format!("<figure><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"All engines\">{svg}</div></figure>\n"));
    let mut charts: Vec<String> = overview.into_iter().collect();
    let pvfs: Vec<&compile::Row> = run
        .compile
        .iter()
        .filter(|row| row.group == "PVFs")
        .collect();
    let guests: Vec<&programs::Row> = run.programs.iter().filter(|row| !row.is_loop).collect();
    charts.extend(compilation(
        &pvfs,
        "Compilation",
        "MB of Wasm per second",
        compile::Row::mb_per_second,
    )?);
    charts.extend(compilation(
        &pvfs,
        "Code",
        "bytes per byte of Wasm",
        compile::Row::code_ratio,
    )?);
    charts.extend(compilation(
        &pvfs,
        "Peak memory of compilation",
        "MiB",
        compile::Row::peak_mib,
    )?);
    charts.extend(execution(&guests)?);
    charts.extend(shapes(&run.linear)?);
    Ok(charts)
}

fn compilation(
    rows: &[&compile::Row],
    title: &str,
    unit: &str,
    figure: fn(&compile::Row, EngineName) -> Option<f64>,
) -> Result<Option<String>, String> {
    let figures = |engine| rows.iter().map(|row| figure(row, engine)).collect();
    bars(Bars {
        title,
        unit,
        categories: rows.iter().map(|row| row.name.clone()).collect(),
        series: EngineName::ALL
            .map(|engine| (engine, figures(engine)))
            .into(),
        line: None,
    })
}

fn execution(rows: &[&programs::Row]) -> Result<Option<String>, String> {
    let figures = |engine| {
        rows.iter()
            .map(|row| programs::ratio(row, engine))
            .collect()
    };
    // An interpreter's bars would make the others too short to compare.
    let shown = |it: &EngineName| !matches!(it, EngineName::Cranelift | EngineName::Wasmi);
    let engines = EngineName::ALL.into_iter().filter(shown);
    bars(Bars {
        title: "Execution of guest programs",
        unit: "times Cranelift's time",
        categories: rows.iter().map(|row| row.name.clone()).collect(),
        series: engines.map(|engine| (engine, figures(engine))).collect(),
        line: Some(1.0),
    })
}

fn shapes(rows: &[linear::Row]) -> Result<Option<String>, String> {
    let rows: Vec<&linear::Row> = rows.iter().filter(|row| row.entries.is_none()).collect();
    let engine = rows.first().map_or(EngineName::Ours, |row| row.engine);
    bars(Bars {
        title: "Compilation time per byte of adversarial modules",
        unit: "times a normal module's",
        categories: rows.iter().map(|row| row.name.clone()).collect(),
        series: vec![(engine, rows.iter().map(|row| row.time_ratio()).collect())],
        line: Some(linear::MOST),
    })
}

/// The speeds of compilation and of the compiled code in one picture, which is also published by itself.
pub fn overview(run: &Run) -> Result<Option<String>, String> {
    let guests: Vec<&programs::Row> = run.programs.iter().filter(|row| !row.is_loop).collect();
    let pvfs = run.compile.iter().filter(|row| row.group == "PVFs");
    let speed = |engine| geometric_mean(pvfs.clone().filter_map(|row| row.mb_per_second(engine)));
    let time = |engine| programs::mean(&guests, engine);
    let points: Vec<(EngineName, f64, f64)> = EngineName::ALL
        .into_iter()
        .filter_map(|engine| Some((engine, speed(engine)?, time(engine)?)))
        .collect();
    if points.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    draw_overview(&mut svg, &points).map_err(|error| error.to_string())?;
    let names = points.iter().map(|point| label(point.0));
    let title = format!(
        "Compilation and execution of {}",
        names.collect::<Vec<_>>().join(", ")
    );
    Ok(Some(themed(&svg, &title)))
}

fn draw_overview(
    svg: &mut String,
    points: &[(EngineName, f64, f64)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (820, 440)).into_drawing_area();
    let (least_x, most_x) = bounds(points.iter().map(|it| it.1));
    let (least_y, most_y) = bounds(points.iter().map(|it| it.2));
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Real validation functions compiled, guest programs executed",
            ("sans-serif", 17),
        )
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(
            (least_x * 0.7..most_x * 2.2).log_scale(),
            (least_y * 0.8..most_y * 1.2).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("compilation, MB of Wasm per second, logarithmic (right is better)")
        .y_desc("execution, times Cranelift's time, logarithmic (low is better)")
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let mut taken = Vec::new();
    for &(engine, x, y) in points {
        let colour = colour(engine);
        chart.draw_series([Circle::new((x, y), 6, colour.filled())])?;
        let label = label(engine);
        let height = free_height(&mut taken, chart.backend_coord(&(x, y)), label.len());
        let style = ("sans-serif", 14).into_font().color(&colour);
        chart.draw_series([EmptyElement::at((x, y)) + Text::new(label, (9, height), style)])?;
    }
    area.present()?;
    Ok(())
}

/// The vertical offset, in pixels, at which a point's label overlaps no other label. `taken` contains the left, upper
/// and right ends of the labels placed so far.
fn free_height(taken: &mut Vec<(i32, i32, i32)>, (x, y): (i32, i32), letters: usize) -> i32 {
    const LINE: i32 = 17;
    let right = x + 9 + 9 * i32::try_from(letters).unwrap_or(0);
    let free = |height: &i32| {
        let mut others = taken.iter();
        others.all(|&(left, top, end)| left > right || end < x || (top - y - height).abs() >= LINE)
    };
    // Directly beside the point, or else as near as possible above and below.
    let heights = (0..20).flat_map(|step| [-7 - step * 4, -7 + step * 4]);
    let height = heights.into_iter().find(free).unwrap_or(-7);
    taken.push((x, y + height, right));
    height
}

/// The name of an engine for readers.
fn label(engine: EngineName) -> String {
    engine.text().replace("ours", "pvf-executor")
}

/// A picture whose text and lines are dark on light pages and light on dark pages.
fn themed(svg: &str, title: &str) -> String {
    let style = "<style>.pvf-chart text, .pvf-chart .ink { fill: #222 } .pvf-chart [stroke=\"#000000\"] { stroke: #555 } \
        @media (prefers-color-scheme: dark) { .pvf-chart text { fill: #ddd } .pvf-chart [stroke=\"#000000\"] { stroke: #aaa } }</style>";
    let title = escaped(title);
    let start = format!("<svg class=\"pvf-chart\" role=\"img\" aria-label=\"{title}\" ");
    let svg = svg.replacen("<svg ", &start, 1);
    match svg.split_once('>') {
        Some((tag, rest)) => format!("{tag}>{style}{rest}"),
        None => svg,
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

fn short(value: &f64) -> String {
    match *value {
        value if value >= 10.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

fn colour(engine: EngineName) -> RGBColor {
    match engine {
        EngineName::Ours => RGBColor(0xd6, 0x00, 0x6c),
        EngineName::OursVerified => RGBColor(0xa0, 0x00, 0x50),
        EngineName::OursLogical => RGBColor(0xf0, 0x5f, 0xa8),
        EngineName::OursGas => RGBColor(0xf7, 0xa8, 0xcf),
        EngineName::Cranelift => RGBColor(0x2b, 0x4c, 0x7e),
        EngineName::CraneliftPolkadot => RGBColor(0x4f, 0x86, 0xc6),
        EngineName::CraneliftFuel => RGBColor(0x9c, 0xbf, 0xe3),
        EngineName::Winch => RGBColor(0x2e, 0x8b, 0x57),
        EngineName::Singlepass => RGBColor(0xe0, 0x8e, 0x0b),
        EngineName::Wasmi => RGBColor(0x80, 0x80, 0x80),
    }
}

/// Draws bars; `None` if there are no figures.
fn bars(mut bars: Bars<'_>) -> Result<Option<String>, String> {
    bars.series
        .retain(|(_, values)| values.iter().any(Option::is_some));
    if bars.series.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    let width = (bars.categories.len() * (bars.series.len() * 9 + 14) + 110).max(1000) as u32;
    let area = SVGBackend::with_string(&mut svg, (width, 400)).into_drawing_area();
    draw_bars(&area, &bars).map_err(|error| error.to_string())?;
    drop(area);
    let title = format!("{}, {}", bars.title, bars.unit);
    let legend = bars.series.iter().map(|(engine, _)| {
        let RGBColor(red, green, blue) = colour(*engine);
        let square = format!("<i style=\"background:#{red:02x}{green:02x}{blue:02x}\"></i>");
        format!("<li>{square}{}</li>", escaped(&label(*engine)))
    });
    Ok(Some(format!(
        "<figure><figcaption>{}</figcaption>\n<ul class=\"legend\">{}</ul>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" \
         aria-label=\"{0}\">{}</div>\n{}</figure>\n",
        escaped(&title),
        legend.collect::<String>(),
        themed(&svg, &title),
        numbers(&bars)
    )))
}

/// The figures of a chart as a table, which can be opened below the chart.
fn numbers(bars: &Bars<'_>) -> String {
    let head = bars.series.iter().map(|(engine, _)| label(*engine));
    let head = head.map(|name| format!("<th>{}</th>", escaped(&name)));
    let rows = bars.categories.iter().enumerate().map(|(row, category)| {
        let cells = bars.series.iter().map(|(_, values)| match values.get(row) {
            Some(Some(value)) => format!("<td>{value:.2}</td>"),
            _ => "<td></td>".to_owned(),
        });
        let cells = cells.collect::<String>();
        format!("<tr><td>{}</td>{cells}</tr>\n", escaped(category))
    });
    format!(
        "<details><summary>The numbers</summary><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"The numbers of {}\">\
         <table><tr><th></th>{}</tr>\n{}</table></div></details>",
        escaped(bars.title),
        head.collect::<String>(),
        rows.collect::<String>()
    )
}

fn draw_bars(area: &Area<'_>, bars: &Bars<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let values = bars
        .series
        .iter()
        .flat_map(|(_, values)| values.iter().flatten());
    let most = values.fold(bars.line.unwrap_or(0.0), |most, &value| most.max(value));
    let count = bars.categories.len();
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(130)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..count as f64, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_desc(bars.unit)
        .y_label_formatter(&short)
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let step = 0.86 / bars.series.len() as f64;
    for (index, (engine, values)) in bars.series.iter().enumerate() {
        let colour = colour(*engine);
        let bar = |(category, value): (usize, &Option<f64>)| {
            let left = category as f64 + 0.07 + index as f64 * step;
            let corners = [(left, 0.0), (left + step * 0.92, (*value)?)];
            Some(Rectangle::new(corners, colour.filled()))
        };
        chart.draw_series(values.iter().enumerate().filter_map(bar))?;
    }
    if let Some(line) = bars.line {
        chart.draw_series(LineSeries::new([(0.0, line), (count as f64, line)], BLACK))?;
    }
    let style = ("sans-serif", 12)
        .into_font()
        .transform(FontTransform::Rotate90);
    for (category, name) in bars.categories.iter().enumerate() {
        let place = chart.backend_coord(&(category as f64 + 0.5, 0.0));
        area.draw_text(
            name,
            &style.clone().into_text_style(area),
            (place.0 + 5, place.1 + 6),
        )?;
    }
    area.present()?;
    Ok(())
}
