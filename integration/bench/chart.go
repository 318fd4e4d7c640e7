package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/go-analyze/charts"
)

// A bar is as long as the contender took, in times of the best peer, so that
// milliseconds and minutes fit one chart. Longer ones are cut; all tell their seconds.
const longest = 5.0

// Sizes in pixels: of a bar, and of what is around them.
const (
	chartWidth  = 900
	barHeight   = 14
	groupMargin = 14
	chartMargin = 110
)

// chart draws the groups of one profile as SVG.
func chart(title string, groups []group) ([]byte, error) {
	var names []string // of contenders, as the rows have them
	for _, g := range groups {
		for _, r := range g.rows {
			if !slices.Contains(names, r.Contender) && r.Contender != limitName &&
				r.Contender != nullName {
				names = append(names, r.Contender)
			}
		}
	}
	var labels []string
	series := make(charts.BarSeriesList, len(names))
	// Labels are found by a bar's length, which is made unique for it: the library
	// tells a horizontal bar's formatter the number of the series, not of the bar.
	seconds := make([]map[float64]string, len(names))
	for _, g := range slices.Backward(groups) { // the first comes out at the bottom
		labels = append(labels, g.workload)
		for i, name := range names {
			if seconds[i] == nil {
				seconds[i] = make(map[float64]string)
			}
			value := charts.GetNullValue()
			if j := slices.IndexFunc(g.rows, func(r *row) bool {
				return r.Contender == name
			}); j >= 0 && g.rows[j].failure() == "" {
				if peer := g.rows[j].times(g.bestPeer()); !math.IsNaN(peer) {
					value = min(peer, longest)
					for seconds[i][value] != "" {
						value = math.Nextafter(value, 0)
					}
					seconds[i][value] = fmt.Sprintf("%.3g s", g.rows[j].seconds())
				}
			}
			series[i].Values = append(series[i].Values, value)
		}
	}
	for i, name := range names {
		series[i].Name = name
		series[i].Label = charts.SeriesLabel{
			Show:      charts.Ptr(true),
			FontStyle: charts.FontStyle{FontSize: 8},
			LabelFormatter: func(_ int, _ string, length float64) (string, *charts.LabelStyle) {
				return seconds[i][length], nil
			},
		}
	}
	opt := charts.NewBarChartOptionWithSeries(series)
	opt.Horizontal = true
	opt.Title.Text = title
	opt.Title.Subtext = fmt.Sprintf(
		"time in times of the best peer, shorter is better; bars end at %g", longest)
	opt.Padding = charts.NewBox(20, 20, 60, 20)
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetStr{Left: charts.PositionRight}
	opt.CategoryAxis.Labels = labels
	opt.ValueAxis = []charts.ValueAxisOption{{Min: charts.Ptr(0.0), Max: charts.Ptr(longest)}}
	opt.ValueFormatter = func(v float64) string { return fmt.Sprintf("%g×", v) }
	p := charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG,
		Width:        chartWidth,
		Height:       chartMargin + len(groups)*(len(names)*barHeight+groupMargin),
	})
	if err := p.BarChart(opt); err != nil {
		return nil, err
	}
	return p.Bytes()
}
